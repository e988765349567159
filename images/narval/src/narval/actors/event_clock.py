"""Times of several inputs on one line: clocks that wrap or jump, and times that are wrong. Pure.

A frame's time has 48 bits. Here it becomes a place on a line that goes on where the clock begins
again at zero. A time far from the one before it in its input is not believed at once: the next
frame of the input bears it out, or shows that it was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from narval.events import TICK_S

TIMES = 2**48
"""How many times there are before a clock begins again."""
_EPOCH = 2**60  # a multiple of TIMES: a place modulo TIMES is the frame's own time
_WAIT_ALLOWANCE = 2.0  # so much faster than our own clock may a time go on


@dataclass
class InputClock:
    """What is known of the time of one input.

    Attributes:
        newest: the place of the newest frame that was believed; None before the first.
        is_sure: whether the newest is more than a first frame, far from the others'.
        held: a time that is not believed yet, and its frame.
        jumped_at: where the clock went back, while nobody knows whether the others do, too.
        is_astray: it went back alone: its frames belong to nothing.
    """

    newest: int | None = None
    is_sure: bool = False
    held: tuple[int, bytes] | None = None
    jumped_at: int | None = None
    is_astray: bool = False


@dataclass
class Placed:
    """What came of a frame.

    Attributes:
        frames: those whose place is known now, the older first.
        bad: a time that was wrong; its frame is lost.
        jump: by how many ticks the clock has jumped; 0: it has not.
        is_astray: the frame is lost, for its clock goes its own way.
    """

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    bad: int | None = None
    jump: int = 0
    is_astray: bool = False


class EventClock:
    """The clocks of all inputs.

    Args:
        most_jump: ticks; a time further than this from the one before is to be borne out.
    """

    def __init__(self, inputs: int, most_jump: int) -> None:
        self.inputs = [InputClock() for _ in range(inputs)]
        self.most_jump = most_jump

    def place(self, source: int, time: int, frame: bytes, silent_s: float = 0.0) -> Placed:
        """Return what is known with the next frame of an input.

        Args:
            silent_s: how long nothing had come of this input: by so much a time may go on.
        """
        clock, placed = self.inputs[source], Placed()
        if clock.is_astray and not self._rejoin(source, time):
            placed.is_astray = True
        elif clock.newest is None:
            near = self._near(source, time, TIMES)
            self._accept(clock, _EPOCH + time if near is None else near, frame, placed)
            clock.is_sure = self._near(source, time, self.most_jump) is not None
        else:
            ahead = int(self.most_jump + _WAIT_ALLOWANCE * silent_s / TICK_S)
            self._weigh(source, time, frame, ahead, placed)
        return placed

    def end(self, source: int) -> Placed:
        """Return the frame that is still held: nothing speaks against it any more."""
        clock, placed = self.inputs[source], Placed()
        if clock.held is not None and clock.newest is not None:
            (time, frame), clock.held = clock.held, None
            self._accept(clock, clock.newest + difference(time, clock.newest), frame, placed)
        return placed

    def settle_jumps(self, ended: Sequence[bool], silent: Sequence[bool]) -> list[int]:
        """Return the inputs that have turned out to go astray: the others went on without a jump.

        Args:
            ended: which inputs have ended.
            silent: which are not waited for.
        """
        astray = []
        for source, clock in enumerate(self.inputs):
            if clock.jumped_at is None or clock.newest is None:
                continue
            others = [
                (other.newest, silent[index])
                for index, other in enumerate(self.inputs)
                if index != source and not ended[index] and not other.is_astray
            ]
            until = clock.jumped_at + self.most_jump
            passed = [newest is not None and newest > until for newest, _ in others]
            followed = any(
                newest is not None and newest // _EPOCH >= clock.newest // _EPOCH
                for newest, _ in others
            )
            if not others or followed:
                clock.jumped_at = None
            elif any(passed) and all(
                has_passed or is_silent
                for has_passed, (_, is_silent) in zip(passed, others, strict=True)
            ):
                clock.jumped_at, clock.is_astray = None, True
                astray.append(source)
        return astray

    def _weigh(self, source: int, time: int, frame: bytes, ahead: int, placed: Placed) -> None:
        """Believe a time, hold it, or see by it what the one that is held was."""
        clock = self.inputs[source]
        newest = clock.newest or 0
        step = difference(time, newest)
        if -self.most_jump <= step <= ahead or (step > ahead and self._is_there(source, time)):
            self._drop_held(clock, placed)
            self._accept(clock, newest + step, frame, placed)
            return
        if clock.held is not None:
            held_time, held_frame = clock.held
            jump = difference(held_time, newest)
            if (jump > 0) == (step > 0) and difference(time, held_time) >= -self.most_jump:
                clock.held, placed.jump = None, jump
                self._jump(source, held_time, held_frame, placed)
                self._weigh(source, time, frame, ahead, placed)
                return
        self._drop_held(clock, placed)
        clock.held = (time, frame)

    def _jump(self, source: int, time: int, frame: bytes, placed: Placed) -> None:
        """Follow a clock: ahead on the line; where it has gone back, to a new part of the line."""
        clock = self.inputs[source]
        newest = clock.newest or 0
        step = difference(time, newest)
        place = newest + step
        if step < 0:
            near = self._near(source, time, self.most_jump)
            if near is None:
                last = max(other.newest or 0 for other in self.inputs)
                place, clock.jumped_at = (last // _EPOCH + 1) * _EPOCH + time, newest
            else:
                place = near
            clock.newest = None  # the new place may be before it
        self._accept(clock, place, frame, placed)

    def _rejoin(self, source: int, time: int) -> bool:
        """Tell whether an input that went astray is with the others again."""
        near = self._near(source, time, self.most_jump)
        if near is None:
            return False
        clock = self.inputs[source]
        clock.is_astray, clock.newest = False, near
        return True

    def _near(self, source: int, time: int, limit: int) -> int | None:
        """Return the place of a time beside the newest of another input; None: all are further."""
        places = [
            (abs(difference(time, other.newest)) > self.most_jump, -other.newest, other.newest)
            for index, other in enumerate(self.inputs)
            if index != source and other.newest is not None and not other.is_astray
            if abs(difference(time, other.newest)) <= limit
        ]
        if not places:
            return None
        newest = min(places)[2]
        return newest + difference(time, newest)

    def _is_there(self, source: int, time: int) -> bool:
        """Tell whether another input has come as far ahead as this time."""
        near, newest = self._near(source, time, self.most_jump), self.inputs[source].newest
        return near is not None and newest is not None and near > newest

    def _accept(self, clock: InputClock, place: int, frame: bytes, placed: Placed) -> None:
        clock.newest = place if clock.newest is None else max(clock.newest, place)
        clock.is_sure = True
        placed.frames.append((place, frame))

    def _drop_held(self, clock: InputClock, placed: Placed) -> None:
        if clock.held is not None:
            placed.bad, clock.held = clock.held[0], None


def difference(time: int, other: int) -> int:
    """Return by how many ticks a time is after another, the shorter way round."""
    return (time - other + TIMES // 2) % TIMES - TIMES // 2
