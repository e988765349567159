"""All machines are stopped at once, and each is told of."""

from __future__ import annotations

import asyncio
import time

import pytest

from fakes.benches import open_bench, start
from vmlab.errors import ProviderError
from vmlab.model import MachineState
from vmlab.providers.fake import FakeProvider
from vmlab.upkeep.stop_all import AT_ONCE, Stopped, stop_all


@pytest.fixture
async def bench():
    async with open_bench("fake", None, None) as made:
        yield made


async def start_class(bench, provider, count: int) -> list[str]:
    specs = [bench.spec(f"desk-u-{number}", f"home-u-{number}") for number in range(count)]
    await asyncio.gather(*(start(provider, spec, bench.seed()) for spec in specs))
    return [spec.name for spec in specs]


async def states(provider) -> set[MachineState]:
    return {status.state for status in (await provider.status()).values()}


class Counting(FakeProvider):
    """Counts the stops that are under way."""

    def __init__(self, settings):
        super().__init__(settings)
        self.now = self.most = 0
        self.enough = asyncio.Event()

    async def stop(self, name, *, now=False):
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == AT_ONCE:
            self.enough.set()
        # Nobody ends before as many as there are slots have begun.
        await self.enough.wait()
        await super().stop(name, now=now)
        self.now -= 1


async def test_sixty_machines_are_stopped_many_at_once(bench):
    provider = bench.another(Counting)
    names = await start_class(bench, provider, 60)
    told: list[Stopped] = []
    results = await stop_all(provider, told.append)
    assert sorted(r.machine for r in results) == sorted(names)
    assert sorted(r.machine for r in told) == sorted(names)
    assert not any(r.problem or r.forced for r in results)
    assert provider.most == AT_ONCE
    assert await states(provider) == {MachineState.STOPPED}
    assert await stop_all(provider) == []


async def test_one_that_does_not_end_stops_no_other_and_is_named(bench):
    class Stuck(FakeProvider):
        async def stop(self, name, *, now=False):
            if name == "desk-u-1":
                raise ProviderError(name, "it does not end", hint="look for its process")
            await super().stop(name, now=now)

    provider = bench.another(Stuck)
    await start_class(bench, provider, 3)
    results = {r.machine: r.problem for r in await stop_all(provider)}
    assert results.pop("desk-u-1") == "desk-u-1: it does not end (look for its process)"
    assert set(results.values()) == {""}


async def test_when_the_time_is_up_plugs_are_pulled(bench):
    class Slow(FakeProvider):
        async def stop(self, name, *, now=False):
            if not now and name == "desk-u-0":
                await asyncio.Event().wait()
            await super().stop(name, now=now)

    provider = bench.another(Slow)
    await start_class(bench, provider, 2)
    began = time.monotonic()
    results = {r.machine: r for r in await stop_all(provider, limit_s=5)}
    assert time.monotonic() - began < 60
    assert results["desk-u-0"].forced
    assert not results["desk-u-0"].problem
    assert not results["desk-u-1"].forced
    assert await states(provider) == {MachineState.STOPPED}


async def test_a_pool_that_does_not_end_is_told(bench):
    class StuckPool(FakeProvider):
        async def drain(self):
            raise ProviderError("pool-1", "it does not end")

    (result,) = await stop_all(bench.another(StuckPool))
    assert (result.machine, result.problem) == ("pool", "pool-1: it does not end")


async def test_a_mistake_at_one_machine_leaves_no_other_at_work(bench, caplog):
    class Mistaken(FakeProvider):
        async def stop(self, name, *, now=False):
            if name == "desk-u-0":
                float(10**400)
            await super().stop(name, now=now)

    provider = bench.another(Mistaken)
    await start_class(bench, provider, 3)
    results = {result.machine: result.problem for result in await stop_all(provider)}
    assert results == {
        "desk-u-0": "unexpected OverflowError; the log says more",
        "desk-u-1": "",
        "desk-u-2": "",
    }
    assert "int too large" in caplog.text
