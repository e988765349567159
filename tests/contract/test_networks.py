"""The networks of events: the contract of `KeepsNetworks`, over every provider that has them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from ipaddress import IPv4Interface, IPv4Network

import pytest

from fakes.benches import start, start_until
from vmlab.errors import MachineConflictError
from vmlab.model import Card, MachineState, NetworkSpec, NetworkStatus
from vmlab.providers.base import KeepsNetworks
from vmlab_protocol.phases import Phase

NEEDS = (KeepsNetworks,)

CLASS = NetworkSpec("class", IPv4Network("10.77.0.0/16"))
ELSEWHERE = NetworkSpec("class", IPv4Network("10.78.0.0/16"))
OTHER = NetworkSpec("other", CLASS.addresses)  # events are apart: the same addresses are free


def card(number: int = 1, network: NetworkSpec = CLASS) -> Card:
    """Return the place of a trainee's desk."""
    return Card(
        network,
        mac=f"02:00:0a:4d:01:{number:02x}",
        address=IPv4Interface((network.addresses.network_address + 256 + number, 16)),
        trainee=f"t{number:02}",
        names=(f"desk-t{number:02}",),
        own_names=("desk",),
    )


@pytest.fixture(autouse=True)
async def removed(bench):
    """Remove what a test leaves: networks are the host's."""
    yield
    for network in await bench.provider.networks():
        await bench.provider.remove_network(network.name)
    assert await bench.provider.networks() == []


async def members(provider: KeepsNetworks, name: str = CLASS.name) -> tuple[str, ...] | None:
    """Return who is in a network; None: it is not there."""
    found = {network.name: network for network in await provider.networks()}
    return found[name].machines if name in found else None


async def test_a_network_is_made_and_removed_as_often_as_one_likes(bench):
    provider = bench.provider
    assert await provider.networks() == []
    await provider.remove_network("class")
    for _ in range(2):
        await provider.ensure_network(CLASS)
        assert await provider.networks() == [NetworkStatus("class")]
    for _ in range(2):
        await provider.remove_network("class")
        assert await provider.networks() == []


async def test_an_empty_network_may_get_other_addresses(bench):
    await bench.provider.ensure_network(CLASS)
    await bench.provider.ensure_network(ELSEWHERE)
    spec = bench.spec(card=card(network=ELSEWHERE))
    await start(bench.provider, spec, bench.seed())
    assert await members(bench.provider) == (spec.name,)


async def test_a_machine_is_in_its_network_from_start_to_stop(bench):
    provider, spec = bench.provider, bench.spec(card=card())
    await start(provider, spec, bench.seed())  # which makes the network
    assert await members(provider) == (spec.name,)
    await provider.ensure_network(CLASS)
    await start(provider, spec, bench.seed(AGAIN="1"))
    assert await members(provider) == (spec.name,), "it stays when it is seeded again"
    with pytest.raises(MachineConflictError, match=r"10\.77\.0\.0/16"):
        await provider.ensure_network(ELSEWHERE)
    await provider.stop(spec.name, now=True)
    assert await members(provider) == (), "the network stays"
    await start(provider, spec, bench.seed())
    assert await members(provider) == (spec.name,)


async def test_another_object_sees_the_networks_and_removes_them(bench):
    spec, other = bench.spec(card=card()), bench.again()
    await start(bench.provider, spec, bench.seed())
    assert await members(other) == (spec.name,)
    await other.remove_network("class")
    assert await members(bench.provider) is None
    status = (await bench.provider.status([spec.name]))[spec.name]
    assert status.state is MachineState.RUNNING, "it goes on without the network"
    await start(other, spec, bench.seed(AGAIN="1"))
    assert await members(other) == (spec.name,), "seeded again, it is in it again"


async def test_two_events_are_apart_and_two_machines_together(bench):
    specs = [
        bench.spec("desk-ada-0", None, card=card(1)),
        bench.spec("desk-eve-0", None, card=card(2)),
        bench.spec("desk-ivo-0", None, card=card(1, OTHER)),
    ]
    await asyncio.gather(*(start(bench.provider, spec, bench.seed()) for spec in specs))
    assert await members(bench.provider) == ("desk-ada-0", "desk-eve-0")
    assert await members(bench.provider, "other") == ("desk-ivo-0",)


async def test_two_machines_cannot_have_one_place(bench):
    first = bench.spec("desk-ada-0", None, card=card())
    await start(bench.provider, first, bench.seed())
    with pytest.raises(MachineConflictError, match="desk-ada-0"):
        await start(bench.provider, bench.spec("desk-eve-0", None, card=card()), bench.seed())
    await bench.provider.stop("desk-eve-0", now=True)
    assert await members(bench.provider) == ("desk-ada-0",)


async def test_a_machine_without_a_place_is_in_no_network(bench):
    await bench.provider.ensure_network(CLASS)
    await start(bench.provider, bench.spec(), bench.seed())
    assert await members(bench.provider) == ()


@pytest.mark.parametrize("last", [Phase.DISK, Phase.POWER, Phase.BOOT, Phase.MOUNTS])
async def test_a_start_cut_at_any_phase_leaves_nobody_in_the_network(bench, last):
    spec, other = bench.spec(card=card()), bench.again()
    await start_until(bench.provider, spec, bench.seed(), last)
    await other.stop(spec.name)
    assert await members(other) in {(), None}
    await start_until(bench.provider, spec, bench.seed(), last)
    await start(other, spec, bench.seed())  # as a hub that was killed does
    assert await members(other) == (spec.name,)


@pytest.mark.parametrize("at", [Phase.DISK, Phase.POWER, Phase.BOOT])
async def test_a_network_that_is_removed_while_a_machine_starts(bench, at):
    provider, spec = bench.provider, bench.spec(card=card())
    await provider.ensure_network(CLASS)
    async with aclosing(provider.start(spec, bench.seed())) as events:
        async for event in events:
            if event.phase is at:
                await provider.remove_network(CLASS.name)
    assert (await provider.status([spec.name]))[spec.name].state is MachineState.RUNNING
    await start(provider, spec, bench.seed(AGAIN="1"))
    assert await members(provider) == (spec.name,), "at the latest when it is seeded again"


async def test_a_start_that_is_cancelled_leaves_nobody_in_the_network(bench):
    spec = bench.spec(card=card())
    began = asyncio.Event()

    async def run() -> None:
        async with aclosing(bench.provider.start(spec, bench.seed())) as events:
            async for event in events:
                if event.phase is Phase.BOOT:
                    began.set()

    task = asyncio.create_task(run())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.provider.stop(spec.name, now=True)
    assert await members(bench.provider) == ()


async def test_a_deleted_machine_leaves(bench):
    spec = bench.spec(card=card())
    await start(bench.provider, spec, bench.seed())
    await bench.provider.delete(spec.name)
    assert await members(bench.provider) == ()
