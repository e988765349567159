"""What a shift must look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from narval.states import State

ActorStatus = Mapping[str, Any]
"""What an actor's note `status` says."""

FULL_SHARE = 0.95


class AlarmKind(StrEnum):
    """Kinds of alarm; the value names the sentence in `narval.notebook.words`."""

    DIED = "alarm_died"
    SUB_SYSTEM = "alarm_sub_system"
    BUFFER_FULL = "alarm_buffer_full"
    NO_DATA = "alarm_no_data"
    LOST = "alarm_lost"


@dataclass(frozen=True)
class Alarm:
    """Something is wrong."""

    kind: AlarmKind
    actor: str
    detail: str
    seconds: int = 0  # for how long


@dataclass
class AlarmWatch:
    """Keeps since when things are as they are.

    Args:
        patience_s: how long a buffer may be full, and an actor without data.
    """

    patience_s: float = 5.0
    _since: dict[tuple[str, str], float] = field(default_factory=dict)

    def look(
        self, error: str | None, actors: Mapping[str, ActorStatus], now_s: float
    ) -> tuple[Alarm, ...]:
        """Return the alarms, the gravest first.

        Args:
            error: of the sub-system.
            now_s: of any clock that only goes forward.
        """
        died = [
            Alarm(AlarmKind.DIED, name, str(status.get("error") or status["state"]))
            for name, status in actors.items()
            if status.get("error") or status.get("state") == State.ERROR
        ]
        lost = [
            Alarm(AlarmKind.LOST, name, str(sum(status["lost"].values())))
            for name, status in actors.items()
            if status.get("lost")
        ]
        told = [Alarm(AlarmKind.SUB_SYSTEM, "", error)] if error and not died else []
        lasting = dict(_lasting(actors))
        self._since = {key: self._since.get(key, now_s) for key in lasting}
        old = {key: now_s - since for key, since in self._since.items()}
        waited = [
            Alarm(kind, key[0], key[1], int(old[key]))
            for key, kind in lasting.items()
            if old[key] >= self.patience_s
        ]
        return (*told, *died, *lost, *waited)


def _lasting(actors: Mapping[str, ActorStatus]) -> Iterator[tuple[tuple[str, str], AlarmKind]]:
    """Yield what is an alarm where it lasts: actor, buffer (empty: all of it) and kind."""
    for name, status in actors.items():
        if status.get("state") != State.RUNNING:
            continue
        for buffer in status.get("buffers") or ():
            if buffer["filled_bytes"] >= FULL_SHARE * buffer["size_bytes"] > 0:
                yield (name, f"{buffer['name']} → {buffer['reader']}"), AlarmKind.BUFFER_FULL
        if not (status.get("bytes_per_s_in") or status.get("bytes_per_s_out")):
            yield (name, ""), AlarmKind.NO_DATA
