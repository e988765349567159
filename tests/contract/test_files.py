"""A file server is told who has which folder: the contract of `ServesFiles`, over all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from fakes.benches import start
from vmlab.errors import GuestError, ProviderError
from vmlab.providers.base import ServesFiles
from vmlab_protocol.share import Roster, Sharer

NEEDS = (ServesFiles,)
ROSTER = Roster(
    3, IPv4Network("10.77.0.0/16"), 64, (Sharer("ada", (IPv4Address("10.77.1.1"),), 64),)
)


async def test_a_later_roster_is_served_and_an_older_one_never_wins(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    if bench.provider.features.name == "processes":  # a real agent, and no file server's volume
        with pytest.raises(GuestError, match="not a file server"):
            await bench.provider.serve_files(spec.name, ROSTER)
        return
    assert await bench.provider.serve_files(spec.name, ROSTER) == 3
    assert await bench.provider.serve_files(spec.name, ROSTER) == 3
    assert await bench.provider.serve_files(spec.name, replace(ROSTER, serial=5)) == 5
    older = replace(ROSTER, serial=4, sharers=())
    assert await bench.provider.serve_files(spec.name, older) == 5


async def test_a_machine_that_does_not_run_serves_nothing(bench):
    with pytest.raises(ProviderError, match="desk-nobody-0"):
        await bench.provider.serve_files("desk-nobody-0", ROSTER)
