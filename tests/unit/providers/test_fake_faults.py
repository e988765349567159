"""What `fake.json` can ask for beyond delays: networks that fail, floods, commands that fail."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv4Network

import pytest

from fakes.benches import open_bench, start
from vmlab.errors import GuestError, HostError, MachineTimeoutError
from vmlab.model import Card, NetworkSpec
from vmlab.providers.base import KeepsNetworks, Ran, RunsCommands

CARD = Card(
    NetworkSpec("class", IPv4Network("10.77.0.0/16")),
    mac="02:00:0a:4d:01:01",
    address=IPv4Interface("10.77.1.1/16"),
    trainee="t01",
    names=("desk-t01",),
)


@pytest.fixture
async def bench():
    async with open_bench("fake", None, failed=None) as made:
        yield made


def ask_for(bench, **faults) -> None:
    (bench.settings.state / "fake.json").write_text(json.dumps(faults))


async def test_it_has_these_abilities(bench):
    assert isinstance(bench.provider, KeepsNetworks)
    assert isinstance(bench.provider, RunsCommands)


async def test_a_network_that_cannot_be_made_fails_the_start(bench):
    ask_for(bench, no_network="no user namespaces")
    with pytest.raises(HostError, match=r"'class' cannot be made: no user namespaces"):
        await start(bench.provider, bench.spec(card=CARD), bench.seed())
    await start(bench.provider, bench.spec(card=None), bench.seed())


async def test_a_machine_floods(bench):
    await start(bench.provider, bench.spec(card=CARD), bench.seed())
    ask_for(bench, flooding=["desk-ada-0", "desk-nobody-0"])
    (network,) = await bench.provider.networks()
    assert network.flooding == ("desk-ada-0",)


async def test_commands_end_well_unless_they_are_to_fail(bench):
    provider, name = bench.provider, "desk-ada-0"
    with pytest.raises(GuestError, match="does not run"):
        await provider.run(name, "true", limit_s=1)
    await start(provider, bench.spec(), bench.seed())
    assert await provider.run(name, "true", limit_s=1) == Ran(0, "")
    ask_for(bench, runs={"nc -z localhost 22": {"status": 1, "output": "refused"}})
    assert await provider.run(name, "nc -z localhost 22", limit_s=1) == Ran(1, "refused")
    assert await provider.run(name, "true", limit_s=1) == Ran(0, "")
    ask_for(bench, runs={name: {"hangs": True}})
    with pytest.raises(MachineTimeoutError, match=r"took longer than 0\.01 s"):
        await provider.run(name, "true", limit_s=0.01)
    assert len(provider.ran) == 4
