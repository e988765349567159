"""The clock of a simulated detector, and how often it writes a block."""

from __future__ import annotations

import time
from collections.abc import Callable

from narval.plugins.plugin import Parameter

GATHER_MS = Parameter(
    "gather_ms",
    50.0,
    "how long events wait for others to share a block with; a full one goes at once",
    least=0,
    most=500,
)


class RunClock:
    """Counts from `start`; stands still between `pause` and `resume`.

    Args:
        now: any clock that only goes forward, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._paused: float | None = None

    def start(self) -> None:
        """Begin at zero."""
        self._began = self._now()
        self._paused = None

    def pause(self) -> None:
        """Stand still."""
        if self._paused is None:
            self._paused = self._now()

    def resume(self) -> None:
        """Go on from where it stood."""
        if self._paused is not None:
            self._began += self._now() - self._paused
            self._paused = None

    def elapsed_s(self) -> float:
        """Return the seconds of running until now."""
        return (self._now() if self._paused is None else self._paused) - self._began


class Pace:
    """Tells when a block is written: one for each event would cost more than the events do."""

    def __init__(self, gather_s: float) -> None:
        self._gather_s = gather_s
        self._due_s = gather_s

    def is_due(self, now_s: float, share: float) -> bool:
        """Tell whether to write now.

        Args:
            now_s: of the run.
            share: how much of the buffer there is to write.
        """
        if now_s < self._due_s and share < 1:
            return False
        self._due_s = now_s + self._gather_s
        return True
