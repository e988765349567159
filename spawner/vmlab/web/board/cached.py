"""One answer for all who ask within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cached(Generic[Value]):
    """Keeps the last answer of a question for a while; who asks meanwhile shares one call.

    Args:
        ask: makes the call.
        max_age_s: how old an answer may be.
        clock: seconds, monotonic; the event loop's own when left out.

    An exception goes to everybody who waited for that call and is not kept.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Value]],
        *,
        max_age_s: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._ask = ask
        self._max_age_s = max_age_s
        self._clock = clock
        self._task: asyncio.Task[Value] | None = None
        self._made_at = 0.0

    async def get(self) -> Value:
        """Return an answer that is at most `max_age_s` old."""
        now = (self._clock or asyncio.get_running_loop().time)()
        if self._task is None or self._is_stale(self._task, now):
            self._made_at = now
            self._task = asyncio.ensure_future(self._call())
        # Shielded: one closed browser must not cancel the call that others wait for.
        return await asyncio.shield(self._task)

    def _is_stale(self, task: asyncio.Task[Value], now: float) -> bool:
        if not task.done():
            return False
        failed = task.cancelled() or task.exception() is not None
        return failed or now - self._made_at > self._max_age_s

    async def _call(self) -> Value:
        return await self._ask()
