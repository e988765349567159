"""The clock of a simulated detector: seconds of running, without the pauses."""

from __future__ import annotations

import time
from collections.abc import Callable


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
