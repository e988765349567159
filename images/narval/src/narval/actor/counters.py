"""What an actor counts, and rates from it."""

from __future__ import annotations

import time
from dataclasses import dataclass


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
    """Bytes per second between two looks."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._bytes_in = self._bytes_out = 0
        self._last = (0.0, 0.0)

    def look(self, counters: Counters) -> tuple[float, float]:
        """Return bytes per second in and out since the last look."""
        now = time.monotonic()
        passed = now - self._at
        if passed < _SHORTEST_S:
            return self._last
        # A new run counts from zero: then all of it came since.
        came = [
            new - old if new >= old else new
            for new, old in (
                (counters.bytes_in, self._bytes_in),
                (counters.bytes_out, self._bytes_out),
            )
        ]
        self._at, self._bytes_in, self._bytes_out = now, counters.bytes_in, counters.bytes_out
        self._last = (came[0] / passed, came[1] / passed)
        return self._last
