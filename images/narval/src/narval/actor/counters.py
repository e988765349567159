"""What an actor counts, and rates from it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from narval.units import RATE_WINDOW_S


@dataclass
class Counters:
    """Since the run began. Written by the data thread, read by any."""

    blocks_in: int = 0
    blocks_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    lost_links: int = 0


_SHORTEST_S = 0.2  # between two looks: less says nothing


class Rates:
    """Bytes per second of a run, over a window that moves on."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._looks: deque[tuple[float, int, int]] = deque()  # when, bytes in, bytes out
        self._began = self._ended = 0.0
        self._is_running = False

    def begin(self) -> None:
        """Begin a run, with counters at zero."""
        self._began = self._now()
        self._looks = deque([(self._began, 0, 0)])
        self._is_running = True

    def end(self) -> None:
        """End the run. Again: no change."""
        if self._is_running:
            self._ended, self._is_running = self._now(), False

    def seconds(self) -> float:
        """Return how long the run has lasted."""
        return (self._now() if self._is_running else self._ended) - self._began

    def look(self, counters: Counters) -> tuple[float, float]:
        """Return bytes per second in and out; zeros where no run is under way."""
        if not self._is_running:
            return 0.0, 0.0
        looks, now = self._looks, self._now()
        if now - looks[-1][0] >= _SHORTEST_S:
            looks.append((now, counters.bytes_in, counters.bytes_out))
        while len(looks) > 2 and looks[1][0] <= now - RATE_WINDOW_S:
            looks.popleft()
        (since, bytes_in, bytes_out), (until, last_in, last_out) = looks[0], looks[-1]
        passed = until - since
        if not passed:
            return 0.0, 0.0
        return (last_in - bytes_in) / passed, (last_out - bytes_out) / passed
