"""Twenty open boards cost one call."""

from __future__ import annotations

import asyncio

import pytest

from vmlab.web.board import Cached


class Source:
    """Something slow that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.calls += 1
        await self.open.wait()
        if self.error:
            raise self.error
        return self.calls


@pytest.fixture
async def source():
    return Source()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_meanwhile_shares_the_call(source):
    cached = Cached(source.ask, max_age_s=1)
    waits = [asyncio.ensure_future(cached.get()) for _ in range(20)]
    await settle()
    source.open.set()
    assert await asyncio.gather(*waits) == [1] * 20


async def test_an_answer_is_kept_for_a_while_and_no_longer(source):
    now = [0.0]
    source.open.set()
    cached = Cached(source.ask, max_age_s=1, clock=lambda: now[0])
    assert await cached.get() == 1
    now[0] = 0.9
    assert await cached.get() == 1
    now[0] = 1.1
    assert await cached.get() == 2


async def test_one_who_leaves_does_not_spoil_it_for_the_others(source):
    cached = Cached(source.ask, max_age_s=1)
    leaving, staying = (asyncio.ensure_future(cached.get()) for _ in range(2))
    await settle()
    leaving.cancel()
    source.open.set()
    assert await staying == 1


async def test_a_failure_is_told_to_all_and_not_kept(source):
    cached = Cached(source.ask, max_age_s=60)
    source.open.set()
    source.error = RuntimeError("no")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            await cached.get()
    source.error = None
    assert await cached.get() == 3
