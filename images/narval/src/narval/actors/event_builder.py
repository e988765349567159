"""A merger that builds events: frames of several inputs that belong together by time."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, ClassVar

from narval.actors.event_clock import TIMES, EventClock, InputClock, Placed
from narval.actors.losses import Losses, count_frames, describe_losses
from narval.errors import NarvalError
from narval.events import TICK_S, pack_merged
from narval.frame_types import DESCRIPTIONS, name_of
from narval.mfm import iterate_frames, parse_event
from narval.plugins.plugin import Merger, Parameter, Run

_NOTHING = -1  # earlier than any place on the line of `narval.actors.event_clock`
_LONGEST_POLL_S = 0.1
_LOST = ("late", "bad_time", "astray", "timeless")  # kinds of frames that are lost
_ASTRAY = "its clock went back and the others' did not"

logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """What became of the frames: each is in an event, below the fold, lost or still waiting."""

    frames: int = 0
    in_events: int = 0
    events: int = 0
    below_fold: int = 0  # frames thrown away: their event has too few
    descriptions: int = 0  # frames passed over: they tell of the data, such as a file's header
    jumps: int = 0  # times that an input's clock has jumped
    out_of_order: int = 0  # frames that came after a later one of the same input
    timeouts: int = 0  # times that an input was not waited for any longer


@dataclass
class _Input:
    """What has come of one input and is in no event yet."""

    name: str
    clock: InputClock
    came_s: float
    queue: list[tuple[int, int, bytes]] = field(default_factory=list)  # a heap, by time and arrival
    ended: bool = False
    waited_s: float = 0.0
    given_up: bool = False

    def is_past(self, place: int) -> bool:
        """Tell whether nothing up to this place is to come, as far as it is in order."""
        if self.ended or self.clock.is_astray:
            return True
        return self.clock.is_sure and self.clock.newest is not None and self.clock.newest > place


class EventBuilder(Merger):
    """Puts frames into merge frames by time (`narval.events`).

    The earliest frame opens an event, and all frames at most `window` ticks later are in it. It is
    complete when each input has ended or given a later frame, or has kept it waiting for longer
    than `patience_ms`. Events with fewer frames than `fold` are thrown away. A frame earlier than
    the end of the last event built is late and lost. So is one whose time is further than `jump`
    from its input's last one, unless the next one bears it out: then the clock has jumped, and
    building goes on where it is, if the other inputs' do the same. Clocks begin again after 48
    bits. What is lost is told at once and counted (`losses`, `monitor`).
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("window", 100, "ticks of 10 ns after an event's first frame", least=0),
        Parameter("fold", 2, "least number of frames in an event", least=1),
        Parameter("patience_ms", 10_000.0, "longest wait for an input that is silent", least=0),
        Parameter("jump", 50_000_000, "ticks; a time further away must be confirmed", least=0),
    )

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._kept: bytes | None = None  # an event that did not fit
        self._begin()

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin with nothing waiting and all counts at zero."""
        self._begin()

    def stop(self) -> None:
        """Tell what became of the frames."""
        seen = self._counts
        text = (
            f"{count_frames(seen.frames)}, {seen.events} events, {seen.below_fold} below the fold"
        )
        lost = describe_losses(self.losses())
        logger.log(logging.WARNING if lost else logging.INFO, "%s; %s", text, lost or "none lost")

    def take(self, source: int, data: memoryview) -> None:
        """Keep the frames of a block until they are in an event.

        Raises:
            FrameError: it holds something else than frames.
        """
        came, now_s = self._inputs[source], self._now()
        silent_s, came.came_s = now_s - came.came_s, now_s
        came.waited_s, came.given_up = 0.0, False
        for at, header in iterate_frames(data):
            timestamp = parse_event(data, at).timestamp
            self._counts.frames += 1
            if timestamp is None:
                self._pass_over(came, header.frame_type)
                continue
            frame = bytes(data[at : at + header.size_bytes])
            newest = came.clock.newest
            placed = self._clock.place(source, timestamp, frame, silent_s)
            self._keep(came, placed, newest)
        self._settle_jumps()

    def give(self, output: memoryview) -> int:
        """Write complete events, as many as fit.

        Raises:
            NarvalError: one event is larger than the whole buffer.
        """
        used = 0
        while True:
            event, self._kept = self._kept or self._build(), None
            if event is None:
                return used
            if used + len(event) > len(output):
                if not used:
                    raise NarvalError(
                        f"an event of {len(event)} bytes does not fit into the buffer of "
                        f"{len(output)}; give it a larger <size>, or take a smaller window"
                    )
                self._kept = event
                return used
            output[used : used + len(event)] = event
            used += len(event)

    def end(self, source: int) -> None:
        """Wait for this input no longer."""
        came = self._inputs[source]
        self._keep(came, self._clock.end(source), came.clock.newest)
        came.ended = True
        self._settle_jumps()

    def wanted(self) -> Sequence[int]:
        """Return the inputs of which the next event needs more; the others wait."""
        opening = self._opening()
        until = _NOTHING if opening is None else opening + int(self.values["window"])
        return [
            index
            for index, each in enumerate(self._inputs)
            if not each.ended
            and (opening is None or each.clock.is_astray or not each.is_past(until))
        ]

    def monitor(self) -> dict[str, Any] | None:
        """Return what became of the frames."""
        waiting = sum(len(each.queue) + bool(each.clock.held) for each in self._inputs)
        return asdict(self._counts) | self.losses() | {"waiting": waiting}

    def losses(self) -> dict[str, int]:
        """Return how many frames were lost, by kind."""
        return {kind: self._losses.count(kind) for kind in _LOST}

    def _begin(self) -> None:
        self._clock = EventClock(self.inputs, int(self.values["jump"]))
        self._losses = Losses(self._now)
        names = self.names or [f"input {index}" for index in range(self.inputs)]
        self._inputs = [
            _Input(name, clock, self._now())
            for name, clock in zip(names, self._clock.inputs, strict=True)
        ]
        self._arrivals = count()
        self._counts = Counts()
        self._built_until = _NOTHING
        self._kept = None
        self._looked_s = self._now()

    def _pass_over(self, came: _Input, frame_type: int) -> None:
        """Count a frame that can be in no event; it is lost, unless it only tells of the data."""
        if frame_type in DESCRIPTIONS:
            self._counts.descriptions += 1
        else:
            why = f"frames of type {name_of(frame_type)} have no time"
            self._losses.note("timeless", came.name, why)

    def _keep(self, came: _Input, placed: Placed, newest: int | None) -> None:
        """Queue the frames whose place is known; tell what is lost."""
        if placed.bad is not None:
            why = f"the time {placed.bad} is far from those before and after it"
            self._losses.note("bad_time", came.name, why)
        if placed.jump:
            self._counts.jumps += 1
            way = "ahead" if placed.jump > 0 else "back"
            seconds = abs(placed.jump) * TICK_S
            self._losses.tell("jumps", came.name, f"its clock has jumped {seconds:g} s {way}")
            newest = None
        if placed.is_astray:
            self._losses.note("astray", came.name, _ASTRAY)
        for place, frame in placed.frames:
            self._counts.out_of_order += newest is not None and place < newest
            if place <= self._built_until:
                why = "events after it had been built: see patience_ms"
                self._losses.note("late", came.name, why)
                continue
            heapq.heappush(came.queue, (place, next(self._arrivals), frame))

    def _settle_jumps(self) -> None:
        """Give up what waits of inputs whose clocks have jumped alone."""
        if all(each.clock.jumped_at is None for each in self._inputs):
            return
        ended = [each.ended for each in self._inputs]
        silent = [each.given_up for each in self._inputs]
        for source in self._clock.settle_jumps(ended, silent):
            came = self._inputs[source]
            lost = len(came.queue) + bool(came.clock.held)
            self._losses.note("astray", came.name, _ASTRAY, lost)
            came.queue, came.clock.held = [], None

    def _opening(self) -> int | None:
        return min((each.queue[0][0] for each in self._inputs if each.queue), default=None)

    def _build(self) -> bytes | None:
        """Return the next complete event that has enough frames."""
        while (opening := self._opening()) is not None:
            until = opening + int(self.values["window"])
            if self._must_wait(until):
                return None
            members: list[tuple[int, int, bytes]] = []
            for index, each in enumerate(self._inputs):
                while each.queue and each.queue[0][0] <= until:
                    timestamp, _, frame = heapq.heappop(each.queue)
                    members.append((timestamp, index, frame))
            self._built_until = until
            if len(members) < int(self.values["fold"]):
                self._counts.below_fold += len(members)
                continue
            members.sort(key=lambda member: member[:2])
            self._counts.in_events += len(members)
            self._counts.events += 1
            span = members[-1][0] - opening
            return pack_merged([frame for _, _, frame in members], opening % TIMES, span)
        return None

    def _must_wait(self, until: int) -> bool:
        """Tell whether an input may have more of the event; counts how long that has been so."""
        now_s = self._now()
        # What the builder itself was kept from looking is not the input's silence.
        passed_s = min(now_s - self._looked_s, _LONGEST_POLL_S)
        self._looked_s = now_s
        patience_s = float(self.values["patience_ms"]) / 1000
        waits = False
        for each in self._inputs:
            if each.is_past(until) or each.given_up:
                continue
            each.waited_s += passed_s
            if each.waited_s > patience_s:
                each.given_up = True
                self._counts.timeouts += 1
                why = f"nothing came for {patience_s:g} s (patience_ms): events go on without it"
                self._losses.tell("timeouts", each.name, why)
            else:
                waits = True
        return waits
