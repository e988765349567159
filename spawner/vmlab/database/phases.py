"""How long the phases of earlier starts took; the ETA of the next start follows from it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select

from vmlab.database.engine import Sessions
from vmlab.database.tables import PhaseRow

KEPT = 20
"""The number of starts that count; older ones are dropped, because hosts and images change."""


class Phases:
    """Durations of phases, by a key that says what makes starts alike (image, provider, ...)."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def record(self, key: str, durations_s: Mapping[str, float]) -> None:
        """Remember how long the phases of one start took; drops all but the last 20 of each.

        Raises:
            ValueError: a duration is negative or no number.
        """
        for phase, seconds in durations_s.items():
            if not math.isfinite(seconds) or seconds < 0:
                raise ValueError(f"phase {phase!r} cannot take {seconds} s")
        if not durations_s:
            return
        age = func.row_number().over(partition_by=PhaseRow.phase, order_by=PhaseRow.id.desc())
        rows = select(PhaseRow.id, age.label("age")).where(PhaseRow.key == key).subquery()
        with self._sessions.write() as session:
            session.execute(
                insert(PhaseRow),
                [
                    {"key": key, "phase": phase, "seconds": seconds}
                    for phase, seconds in durations_s.items()
                ],
            )
            old = select(rows.c.id).where(rows.c.age > KEPT)
            session.execute(
                delete(PhaseRow).where(PhaseRow.id.in_(old)),
                execution_options={"synchronize_session": False},
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
