"""A new machine with the same volume: the contract of `set_aside`, over every provider."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from fakes.benches import start, start_until
from vmlab.errors import MachineConflictError
from vmlab.model import MachineState
from vmlab_protocol.phases import Phase


async def state(provider, name: str) -> MachineState:
    return (await provider.status([name]))[name].state


async def test_setting_an_absent_machine_aside_does_nothing(bench):
    assert await bench.provider.set_aside("desk-nobody-0") == ""
    assert await bench.provider.list_aside() == []


async def test_a_machine_set_aside_is_gone_and_kept_and_the_next_start_makes_a_new_one(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    kept = await bench.provider.set_aside(spec.name)
    assert kept.startswith(f"{spec.name}-")
    assert await state(bench.provider, spec.name) is MachineState.ABSENT
    assert await bench.provider.status() == {}
    (old,) = await bench.provider.list_aside()
    assert (old.name, old.machine, old.owner) == (kept, spec.name, "ada")
    assert await bench.provider.set_aside(spec.name) == "", "it is idempotent"
    await start(bench.provider, spec, bench.seed())
    assert await state(bench.provider, spec.name) is MachineState.RUNNING
    assert [m.name for m in await bench.again().list_aside()] == [kept]


async def test_a_stopped_machine_can_be_set_aside_by_another_object(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    await bench.provider.stop(spec.name)
    assert await bench.again().set_aside(spec.name)
    assert await state(bench.provider, spec.name) is MachineState.ABSENT


@pytest.mark.parametrize("last", [Phase.DISK, Phase.POWER, Phase.MOUNTS])
async def test_a_half_made_machine_can_be_set_aside(bench, last):
    spec = bench.spec()
    await start_until(bench.provider, spec, bench.seed(), last)
    await bench.provider.set_aside(spec.name)
    await start(bench.provider, spec, bench.seed())
    assert await state(bench.provider, spec.name) is MachineState.RUNNING


async def test_a_machine_that_is_being_started_is_not_set_aside(bench):
    spec = bench.spec()
    async with aclosing(bench.provider.start(spec, bench.seed())) as events:
        await anext(events)
        with pytest.raises(MachineConflictError, match="being started"):
            await bench.provider.set_aside(spec.name)
    await bench.provider.set_aside(spec.name)


async def test_the_last_three_of_a_machine_are_kept(bench):
    one, other = bench.spec(), bench.spec("desk-bob-0", "home-bob-0")
    kept = []
    for spec in (other, one, one, one, one):
        # As far as its disk: that is what a folder is kept for.
        await start_until(bench.provider, spec, bench.seed(), Phase.VOLUME)
        kept.append(await bench.provider.set_aside(spec.name))
    names = {machine.name for machine in await bench.provider.list_aside()}
    assert names == {kept[0], *kept[2:]}


async def test_two_who_set_one_machine_aside_keep_it_once(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())

    async def set_aside() -> str:
        try:
            return await bench.provider.set_aside(spec.name)
        except MachineConflictError:
            return ""

    kept = await asyncio.gather(*(set_aside() for _ in range(3)))
    assert len([name for name in kept if name]) == 1
    assert len(await bench.provider.list_aside()) == 1
