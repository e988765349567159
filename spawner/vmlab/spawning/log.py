"""The record of one start: its events, replayed for every browser, and its measured phases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vmlab.spawning.progress import make_event, make_queue_event
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_AGE_STEP_S = 5
_ABOUT_S, _ABOUT = 5.0, 0.2


@dataclass(frozen=True)
class _Event:
    number: int  # counts from 1, those included that are forgotten
    at: float
    content: dict[str, Any]


class StartLog:
    """The events of one start. Every reader gets all of them, whenever it comes."""

    def __init__(self, language: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.medians_s: Mapping[str, float] = {}
        self._language = language
        self._clock = clock
        self._began = clock()
        self._phase: Phase | None = None
        self._phase_began = self._began
        self._place = 0
        self._turn_at: float | None = None  # as it was told last; None: nobody knows
        self._trouble_told = False
        self._percent = 0
        self._events: list[_Event] = []
        self._count = 0
        self._changed = asyncio.Condition()
        self._ended = False
        self.durations_s: dict[str, float] = {}

    @property
    def phase(self) -> Phase | None:
        """The phase under way."""
        return self._phase

    @property
    def place(self) -> int:
        """The position in the queue for a start slot, 1 for the next one; 0 when not waiting."""
        return self._place

    async def enter(self, phase: Phase, notice: Notice | None = None) -> None:
        """Note that a phase begins, or that there is something to tell within one."""
        now = self._begin(phase)
        event = make_event(
            phase,
            self.medians_s,
            elapsed_s=now - self._began,
            in_phase_s=now - self._phase_began,
            language=self._language,
            notice=notice,
        )
        await self._add(now, event)

    def tell_once(self) -> bool:
        """Tell whether nothing was said of the server's trouble yet; from now on it was."""
        was_told, self._trouble_told = self._trouble_told, True
        return not was_told

    async def wait_in_queue(self, place: int, wait_s: float | None) -> None:
        """Note the position in the queue for a start slot; the one before is forgotten.

        No-op while nothing of it is news: what was said of place and time still holds.

        Args:
            place: 1 for the next one.
            wait_s: seconds until it is its turn; None when nobody knows.
        """
        now = self._clock()
        turn_at = None if wait_s is None else now + wait_s
        if place == self._place and _is_about(turn_at, self._turn_at, now):
            return
        self._begin(Phase.QUEUE)
        self._place, self._turn_at = place, turn_at
        event = make_queue_event(
            place,
            wait_s,
            self.medians_s,
            elapsed_s=now - self._began,
            language=self._language,
        )
        if self._events and "position" in self._events[-1].content:
            self._events.pop()
        await self._add(now, event)

    def _begin(self, phase: Phase) -> float:
        """Make this the phase under way; return what time it is."""
        now = self._clock()
        if phase is not self._phase:
            # Time spent waiting for others says nothing about the next start.
            if self._phase not in {None, Phase.QUEUE}:
                spent_s = now - self._phase_began
                self.durations_s[self._phase] = self.durations_s.get(self._phase, 0.0) + spent_s
            self._phase_began = now
        self._phase = phase
        self._place = 0
        return now

    async def _add(self, now: float, content: dict[str, Any]) -> None:
        # Estimates change, and a phase may begin again: the bar never goes back.
        self._percent = max(self._percent, content["progress"])
        end = max(self._percent, content["progress_end"])
        content = {**content, "progress": self._percent, "progress_end": end}
        async with self._changed:
            self._count += 1
            self._events.append(_Event(self._count, now, content))
            self._changed.notify_all()

    async def end(self) -> None:
        """Note that nothing more will come."""
        self._place = 0
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def replay(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield all events, past ones first, until the start ended.

        `age_s` tells how old an event is, in full steps of 5 seconds: for a page that is loaded
        again, not for the moment that any page takes to load.
        """
        seen = 0
        while True:
            async with self._changed:
                while self._count == seen and not self._ended:
                    await self._changed.wait()
                fresh = [event for event in self._events if event.number > seen]
                seen, is_last = self._count, self._ended
            for event in fresh:
                age_s = int((self._clock() - event.at) // _AGE_STEP_S) * _AGE_STEP_S
                yield {**event.content, "age_s": age_s}
            if is_last:
                return


def _is_about(turn_at: float | None, told: float | None, now: float) -> bool:
    """Tell whether a time that was shown is still accurate enough."""
    if turn_at is None or told is None:
        return turn_at is told
    return abs(turn_at - told) <= max(_ABOUT_S, (told - now) * _ABOUT)
