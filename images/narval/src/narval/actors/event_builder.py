"""A merger that builds events: frames of several inputs that belong together by time."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.events import pack_merged
from narval.frame_types import DESCRIPTIONS, name_of
from narval.mfm import iterate_frames, parse_event
from narval.plugins.plugin import Merger, Parameter, Run

_NOTHING = -1  # earlier than any timestamp
_LONGEST_LOOK_S = 0.1

logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """What became of the frames: each is in an event, thrown away, or still waiting."""

    frames: int = 0
    in_events: int = 0
    events: int = 0
    below_fold: int = 0  # frames thrown away: their event has too few
    late: int = 0  # frames thrown away: events after them had been built
    timeless: int = 0  # frames thrown away: their type has no time
    descriptions: int = 0  # frames passed over: they tell of the data, such as a file's header
    out_of_order: int = 0  # frames that came after a later one of the same input
    timeouts: int = 0  # times that an input was not waited for any longer


@dataclass
class _Input:
    """What has come of one input and is in no event yet."""

    queue: list[tuple[int, int, bytes]] = field(default_factory=list)  # a heap, by time and arrival
    newest: int = _NOTHING
    ended: bool = False
    waited_s: float = 0.0
    given_up: bool = False

    def is_past(self, timestamp: int) -> bool:
        """Tell whether nothing up to this time is to come, as far as it is in order."""
        return self.ended or self.newest > timestamp


class EventBuilder(Merger):
    """Puts frames into merge frames by time (`narval.events`).

    The earliest frame opens an event, and all frames at most `window` ticks later are in it. It is
    complete when each input has ended or given a later frame, or has kept it waiting for longer
    than `patience_ms`. Events with fewer frames than `fold` are thrown away. A frame earlier than
    the end of the last event built is late and thrown away. All of that is counted (`monitor`).
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("window", 100, "ticks of 10 ns after an event's first frame", least=0),
        Parameter("fold", 2, "least number of frames in an event", least=1),
        Parameter("patience_ms", 2000.0, "longest wait for an input that is silent", least=0),
    )

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._kept: bytes | None = None  # an event that did not fit
        self._begin()

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin with nothing waiting and all counts at zero."""
        self._begin()

    def take(self, source: int, data: memoryview) -> None:
        """Keep the frames of a block until they are in an event.

        Raises:
            FrameError: it holds something else than frames.
        """
        came = self._inputs[source]
        came.waited_s, came.given_up = 0.0, False
        for at, header in iterate_frames(data):
            timestamp = parse_event(data, at).timestamp
            self._counts.frames += 1
            if timestamp is None:
                self._pass_over(header.frame_type)
                continue
            self._counts.out_of_order += timestamp < came.newest
            came.newest = max(came.newest, timestamp)
            if timestamp <= self._built_until:
                self._counts.late += 1
                continue
            frame = bytes(data[at : at + header.size_bytes])
            heapq.heappush(came.queue, (timestamp, next(self._arrivals), frame))

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
        self._inputs[source].ended = True

    def wanted(self) -> Sequence[int]:
        """Return the inputs of which the next event needs more; the others wait."""
        opening = self._opening()
        until = _NOTHING if opening is None else opening + int(self.values["window"])
        return [
            index
            for index, each in enumerate(self._inputs)
            if not each.ended and (opening is None or not each.is_past(until))
        ]

    def monitor(self) -> dict[str, Any] | None:
        """Return what became of the frames."""
        return asdict(self._counts) | {"waiting": sum(len(each.queue) for each in self._inputs)}

    def _begin(self) -> None:
        self._inputs = [_Input() for _ in range(self.inputs)]
        self._arrivals = count()
        self._counts = Counts()
        self._built_until = _NOTHING
        self._kept = None
        self._passed_over: set[int] = set()
        self._looked_s = self._now()

    def _pass_over(self, frame_type: int) -> None:
        """Count a frame that can be in no event; tell the first of each type that holds data."""
        if frame_type in DESCRIPTIONS:
            self._counts.descriptions += 1
            return
        self._counts.timeless += 1
        if frame_type not in self._passed_over:
            self._passed_over.add(frame_type)
            logger.warning("frames of type %s have no time: they are lost", name_of(frame_type))

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
            return pack_merged(
                [frame for _, _, frame in members], opening, members[-1][0] - opening
            )
        return None

    def _must_wait(self, until: int) -> bool:
        """Tell whether an input may have more of the event; counts how long that has been so."""
        now_s = self._now()
        # What the builder itself was kept from looking is not the input's silence.
        passed_s = min(now_s - self._looked_s, _LONGEST_LOOK_S)
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
            else:
                waits = True
        return waits
