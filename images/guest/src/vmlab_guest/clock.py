"""The clock of a machine that was paused: the host's disk was full, or the host was suspended.

While a machine is paused, none of its own clocks runs, so it cannot know how long that was. Two
others do: the host's, which the agent is told when the machine is resumed, and the RTC, which the
emulator keeps running.
"""

from __future__ import annotations

import threading

from vmlab_guest.system import System, inside

_RTC = "/sys/class/rtc/rtc0/since_epoch"
_TOLERANCE_NS = 2 * 10**9  # the RTC counts whole seconds, and a word of the host's may be late
_SECOND_NS = 10**9


class Clock:
    """Keeps the wall clock right, unless somebody has set it; safe to use from any thread.

    Begins with a clock that is right: the seed has just set it.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._shift_ns = 0  # what the trainee put between the right time and theirs
        self._base_ns = self._wall_minus_monotonic()

    def set_right(self, right_ns: int, at_ns: int) -> float:
        """Take note of what time it is; return by how many seconds the clock was put forward.

        Args:
            right_ns: the right time, in nanoseconds since the epoch.
            at_ns: `System.monotonic_ns` when it was.
        """
        with self._lock:
            right_ns += self._system.monotonic_ns() - at_ns
            wall_ns = self._system.clock_ns()
            gap_ns = right_ns + self._shift_ns - wall_ns
            if abs(self._wall_minus_monotonic() - self._base_ns) > _TOLERANCE_NS:
                self._shift_ns, gap_ns = wall_ns - right_ns, 0  # somebody set it
            elif gap_ns > _TOLERANCE_NS:
                self._system.set_clock_ns(wall_ns + gap_ns)
                self._system.log(f"the clock is put forward by {gap_ns / _SECOND_NS:.1f} s")
            else:
                gap_ns = 0
            self._base_ns = self._wall_minus_monotonic()
            return gap_ns / _SECOND_NS

    def look(self) -> None:
        """Compare with the clock on the board; a machine without one has the host's word only."""
        try:
            seconds = int(inside(self._system, _RTC).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return
        # When it was read, on a busy host seconds after it was asked: a clock put forward by that
        # much would be ahead, and nothing puts it back.
        self.set_right(seconds * _SECOND_NS, self._system.monotonic_ns())

    def _wall_minus_monotonic(self) -> int:
        return self._system.clock_ns() - self._system.monotonic_ns()
