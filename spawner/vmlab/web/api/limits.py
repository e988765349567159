"""How often, and how many times at once, one caller may call. Pure but for the clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass

REPORTS_PER_MINUTE = 60
"""Limit of docs/protocols.md, section 2."""

_FORGET_ABOVE = 10_000


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Lets each caller through so many times a minute, in a burst or spread.

    Args:
        per_minute: how many calls.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        per_minute: int = REPORTS_PER_MINUTE,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._buckets: dict[Hashable, _Bucket] = {}

    def retry_after_s(self, caller: Hashable) -> float:
        """Count a call: 0 if it may go on, otherwise the seconds after which one may."""
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            self._forget_idle(now)
            bucket = self._buckets[caller] = _Bucket(self._size, now)
        self._fill(bucket, now)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) * 60 / self._size

    def _fill(self, bucket: _Bucket, now: float) -> None:
        gained = (now - bucket.filled_at) * self._size / 60
        bucket.tokens = min(self._size, bucket.tokens + gained)
        bucket.filled_at = now

    def _forget_idle(self, now: float) -> None:
        """Drop callers whose bucket is full again: they are as if they had never called."""
        if len(self._buckets) < _FORGET_ABOVE:
            return
        for caller, bucket in list(self._buckets.items()):
            self._fill(bucket, now)
            if bucket.tokens >= self._size:
                del self._buckets[caller]


class AtOnce:
    """Limits how many requests each caller may have under way.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._under_way: Counter[Hashable] = Counter()

    @contextmanager
    def counted(self, caller: Hashable) -> Generator[bool]:
        """Count a request while the `with` block runs; yield whether the caller may have it."""
        if self._under_way[caller] >= self.most:
            yield False
            return
        self._under_way[caller] += 1
        try:
            yield True
        finally:
            self._under_way[caller] -= 1
            if not self._under_way[caller]:
                del self._under_way[caller]
