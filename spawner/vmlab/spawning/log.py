"""The record of one start: its events, replayed for every browser, and its measured phases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vmlab.lab.start_order import DESK
from vmlab.spawning.parts import Part, PartState, make_group_event, with_parts
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


class PhaseClock:
    """The phase that one machine is in, and how long its earlier ones took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.phase: Phase | None = None
        self.durations_s: dict[str, float] = {}
        self._began = clock()

    def begin(self, phase: Phase) -> float:
        """Make this the phase under way; return what time it is."""
        now = self._clock()
        if phase is not self.phase:
            # Time spent waiting for others says nothing about the next start.
            if self.phase not in {None, Phase.QUEUE}:
                spent_s = now - self._began
                self.durations_s[self.phase] = self.durations_s.get(self.phase, 0.0) + spent_s
            self._began = now
        self.phase = phase
        return now

    def spent_s(self, now: float) -> float:
        """Return for how long the phase has been under way."""
        return now - self._began


class Track:
    """One machine of a start, as its log follows it."""

    def __init__(
        self, log: StartLog, label: str, after: tuple[str, ...], clock: Callable[[], float]
    ) -> None:
        self.label = label
        self.clock = PhaseClock(clock)
        self.medians_s: Mapping[str, float] = {}
        self.place = 0
        self.turn_at: float | None = None  # as it was told last; None: nobody knows
        self._log = log
        self._after = after

    @property
    def phase(self) -> Phase | None:
        """The phase under way; None: it waits for other machines."""
        return self.clock.phase

    @property
    def durations_s(self) -> Mapping[str, float]:
        """How long each phase took."""
        return self.clock.durations_s

    async def enter(self, phase: Phase, notice: Notice | None = None) -> None:
        """Note that a phase begins, or that there is something to tell within one."""
        now = self.clock.begin(phase)
        self.place = 0
        await self._log.tell(self, now, notice)

    async def wait_in_queue(self, place: int, wait_s: float | None) -> None:
        """Note the position in the queue for a start slot; the one before is forgotten.

        No-op while nothing of it is news: what was said of place and time still holds.

        Args:
            place: 1 for the next one.
            wait_s: seconds until it is its turn; None when nobody knows.
        """
        await self._log.tell_place(self, place, wait_s)

    def part(self, now: float) -> Part:
        """Return how far it is."""
        spent_s = self.clock.spent_s(now)
        return Part(self.label, self._after, self.phase, self.medians_s, spent_s)


class StartLog:
    """The events of one start. Every reader gets all of them, whenever it comes.

    Args:
        language: of messages.
        after: the machines that are started, the desk first, and those that each one waits for.
        slots: how many machines start at once.
    """

    def __init__(
        self,
        language: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        after: Mapping[str, tuple[str, ...]] = MappingProxyType({DESK: ()}),
        slots: int = 1,
    ) -> None:
        self._language = language
        self._clock = clock
        self._slots = slots
        self._began = clock()
        self.tracks = {label: Track(self, label, waits, clock) for label, waits in after.items()}
        self._trouble_told = False
        self._percent = 0
        self._events: list[_Event] = []
        self._count = 0
        self._changed = asyncio.Condition()
        self._ended = False

    @property
    def desk(self) -> Track:
        """The trainee's desk."""
        return next(iter(self.tracks.values()))

    @property
    def place(self) -> int:
        """The position in the queue for a start slot, 1 for the next one; 0 when not waiting."""
        if self._ended or self._is_at_work():
            return 0
        return min((track.place for track in self.tracks.values() if track.place), default=0)

    def tell_once(self) -> bool:
        """Tell whether nothing was said of the server's trouble yet; from now on it was."""
        was_told, self._trouble_told = self._trouble_told, True
        return not was_told

    async def tell(self, track: Track, now: float, notice: Notice | None) -> None:
        """Tell where a machine is."""
        phase = track.phase or Phase.QUEUE
        parts = [each.part(now) for each in self.tracks.values()]
        if len(parts) == 1 or all(part.phase is Phase.READY for part in parts):
            event = make_event(
                phase,
                track.medians_s,
                elapsed_s=now - self._began,
                in_phase_s=track.clock.spent_s(now),
                language=self._language,
                notice=notice,
            )
            await self._add(now, event if len(parts) == 1 else with_parts(event, parts))
            return
        event = make_group_event(
            track.label,
            parts,
            slots=self._slots,
            elapsed_s=now - self._began,
            language=self._language,
            notice=notice,
        )
        await self._add(now, event)

    async def tell_place(self, track: Track, place: int, wait_s: float | None) -> None:
        """Tell a place in the queue, unless another machine of this start is at work."""
        now = self._clock()
        turn_at = None if wait_s is None else now + wait_s
        if place == track.place and _is_about(turn_at, track.turn_at, now):
            return
        track.clock.begin(Phase.QUEUE)
        track.place, track.turn_at = place, turn_at
        if self._is_at_work() or place > self.place:
            return
        event = make_queue_event(
            place,
            wait_s,
            track.medians_s,
            elapsed_s=now - self._began,
            language=self._language,
        )
        if len(self.tracks) > 1:
            event = with_parts(event, [each.part(now) for each in self.tracks.values()])
            event["eta_s"] = None  # of this machine alone
        if self._events and "position" in self._events[-1].content:
            self._events.pop()
        await self._add(now, event)

    def _is_at_work(self) -> bool:
        return any(track.part(0.0).state is PartState.STARTING for track in self.tracks.values())

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
