"""How long the phases of earlier starts took; the ETA of the next start follows from it."""

from __future__ import annotations

import math
import statistics

from sqlalchemy import delete, select

from vmlab.database.engine import Sessions
from vmlab.database.tables import PhaseRow

KEPT = 20
"""So many starts count; older ones are forgotten, because hosts and images change."""


class Phases:
    """Durations of phases, by a key that says what makes starts alike (image, provider, ...)."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def record(self, key: str, phase: str, seconds: float) -> None:
        """Remember that this phase took so long; drops all but the last 20.

        Raises:
            ValueError: the duration is negative or no number.
        """
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"phase {phase!r} cannot take {seconds} s")
        same = (PhaseRow.key == key, PhaseRow.phase == phase)
        with self._sessions.write() as session:
            session.add(PhaseRow(key=key, phase=phase, seconds=seconds))
            session.flush()
            newest = select(PhaseRow.id).where(*same).order_by(PhaseRow.id.desc()).limit(KEPT)
            session.execute(
                delete(PhaseRow).where(*same, PhaseRow.id.not_in(session.scalars(newest).all()))
            )

    def medians(self, key: str) -> dict[str, float]:
        """Return the median duration in seconds of each phase that was ever recorded."""
        with self._sessions.read() as session:
            rows = session.execute(
                select(PhaseRow.phase, PhaseRow.seconds).where(PhaseRow.key == key)
            ).all()
        by_phase: dict[str, list[float]] = {}
        for phase, seconds in rows:
            by_phase.setdefault(phase, []).append(seconds)
        return {phase: statistics.median(values) for phase, values in by_phase.items()}
