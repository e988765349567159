"""Start slots: as many starts at a time as the host has processors; the others wait in a queue.

More at once would make all of them late: a start needs processor time. The queue is first come,
first served; each slot that becomes free wakes exactly the start whose turn it is.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial

_POLL_S = 1.0
"""Polling interval of the queue position: often enough for people, cheap for a class."""


LEASE_S = 180.0
"""A cold boot under software emulation takes a minute, and twice that on a busy host."""


class StartSlots:
    """The slots of one hub. Nothing of it outlives the process: neither do starts."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = count
        self._clock = clock
        self._line: deque[asyncio.Future[None]] = deque()
        self._at_work: dict[asyncio.Future[None], float] = {}  # since when
        self._idle_since = clock()

    @asynccontextmanager
    async def hold(
        self,
        tell_place: Callable[[int], Awaitable[None]],
        limit_s: float,
        lease_s: float = LEASE_S,
    ) -> AsyncGenerator[Callable[[], None]]:
        """Wait for a slot and keep it for the body, which gets what gives it back early.

        Leaves line or slot however it ends. Others have their turn after `lease_s`, too: a machine
        that never finishes its start keeps nobody waiting, it only shares the processors.

        Args:
            tell_place: called with the position in the queue, 1 for the next one, at first and then
                about once a second; not called when a slot is free.
            limit_s: longest wait.
            lease_s: the longest that the slot is kept.

        Raises:
            TimeoutError: no slot was free within `limit_s`.
        """
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._line.append(turn)
        self._serve()
        try:
            async with asyncio.timeout(limit_s):
                await self._wait(turn, tell_place)
            lease = loop.call_later(lease_s, self._give_back, turn)
            try:
                yield partial(self._give_back, turn)
            finally:
                lease.cancel()
        finally:
            if turn in self._line:
                self._line.remove(turn)
            self._give_back(turn)

    def _give_back(self, turn: asyncio.Future[None]) -> None:
        if self._at_work.pop(turn, None) is not None:
            self._idle_since = self._clock()
        self._serve()

    def idle_s(self) -> float:
        """Return for how long no start has been at work; 0 while one is."""
        return 0.0 if self._at_work else self._clock() - self._idle_since

    def expected_wait_s(self, place: int, start_s: float) -> float | None:
        """Return how long the one at this place will wait, if a start takes `start_s`.

        None: nobody knows.
        """
        now = self._clock()
        since = [now - began for began in self._at_work.values()]
        return expected_wait_s(place, start_s, since)

    def _serve(self) -> None:
        while self._line and len(self._at_work) < self.count:
            turn = self._line.popleft()
            self._at_work[turn] = self._clock()
            turn.set_result(None)

    async def _wait(
        self, turn: asyncio.Future[None], tell_place: Callable[[int], Awaitable[None]]
    ) -> None:
        while not turn.done():
            await tell_place(self._line.index(turn) + 1)
            # Unlike awaiting it, this leaves the turn as it is when we are cancelled.
            await asyncio.wait({turn}, timeout=_POLL_S)


def expected_wait_s(place: int, start_s: float, at_work_s: Sequence[float]) -> float | None:
    """Return how many seconds the one at this position of the queue will wait. Pure.

    A start that takes longer than usual may never end: its slot is not counted on. None: all
    take longer, so nobody knows.

    Args:
        place: 1 for the next one.
        start_s: what a start takes.
        at_work_s: how long each start at work has taken so far, one per slot.
    """
    if not at_work_s:
        return 0.0
    left = sorted(start_s - spent for spent in at_work_s if spent <= start_s)
    if not left:
        return None
    rounds, slot = divmod(place - 1, len(left))
    # No more than a whole round, even if rounding of the sum gives more.
    return min(left[slot] + rounds * start_s, (rounds + 1) * start_s)


def count_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def make_slots(count: int) -> StartSlots:
    """Return the slots of this process; 0: as many as there are processors."""
    return StartSlots(count or count_processors())
