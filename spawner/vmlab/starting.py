"""One start as others see it: its events, replayable by every browser, and its measured phases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from vmlab.model import Notice, Phase
from vmlab.progress import make_event

_AGE_STEP_S = 5


class StartLog:
    """The events of one start. Every reader gets all of them, whenever it comes."""

    def __init__(self, language: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.medians_s: Mapping[str, float] = {}
        self._language = language
        self._clock = clock
        self._began = clock()
        self._phase: Phase | None = None
        self._phase_began = self._began
        self._events: list[tuple[float, dict[str, Any]]] = []
        self._changed = asyncio.Condition()
        self._ended = False
        self.durations_s: dict[Phase, float] = {}

    @property
    def phase(self) -> Phase | None:
        """The phase under way."""
        return self._phase

    async def enter(self, phase: Phase, notice: Notice | None = None) -> None:
        """Note that a phase begins, or that there is something to tell within one."""
        now = self._clock()
        if self._phase is not None and phase is not self._phase:
            spent_s = now - self._phase_began
            self.durations_s[self._phase] = self.durations_s.get(self._phase, 0.0) + spent_s
            self._phase_began = now
        self._phase = phase
        event = make_event(
            phase,
            self.medians_s,
            elapsed_s=now - self._began,
            in_phase_s=now - self._phase_began,
            language=self._language,
            notice=notice,
        )
        async with self._changed:
            self._events.append((now, event))
            self._changed.notify_all()

    async def end(self) -> None:
        """Note that nothing more will come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def replay(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield all events, past ones first, until the start ended.

        `age_s` tells how old an event is, in full steps of 5 seconds: for a page that is loaded
        again, not for the moment that any page takes to load.
        """
        seen = 0
        while not (self._ended and seen == len(self._events)):
            async with self._changed:
                while len(self._events) == seen and not self._ended:
                    await self._changed.wait()
                fresh = self._events[seen:]
            for at, event in fresh:
                age_s = int((self._clock() - at) // _AGE_STEP_S) * _AGE_STEP_S
                yield {**event, "age_s": age_s}
            seen += len(fresh)
