"""Whether somebody works in a machine: the contract of `ReportsActivity`, over every provider."""

from __future__ import annotations

import pytest

from fakes.benches import start
from vmlab.errors import ProviderError
from vmlab.providers.base import ReportsActivity, ReportsServer
from vmlab_protocol.messages import ServerTrouble

NEEDS = (ReportsActivity, ReportsServer)


async def test_a_machine_that_does_not_run_says_nothing(bench):
    spec = bench.spec()
    assert await bench.provider.activity([spec.name, "desk-nobody-0"]) == {}
    with pytest.raises(ProviderError, match="desk-nobody-0"):
        await bench.provider.warn("desk-nobody-0", 0)
    await start(bench.provider, spec, bench.seed())
    await bench.provider.stop(spec.name)
    assert await bench.provider.activity([spec.name]) == {}


async def test_a_running_machine_says_for_how_long_nobody_worked_in_it(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    found = await bench.provider.activity([spec.name])
    assert 0 <= found[spec.name].idle_s < 3600
    await bench.provider.warn(spec.name, 2_000_000_000)
    await bench.provider.warn(spec.name, 0)


async def test_a_server_in_trouble_is_the_machine_s_problem_until_it_is_not(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    assert await bench.provider.server_trouble(spec.name) is None
    assert (await bench.provider.status([spec.name]))[spec.name].problem == ""
    bench.set_trouble(spec, ServerTrouble(2, is_plain=True, line="no such folder"))
    await start(bench.provider, spec, bench.seed(X="TINY_TROUBLE"))
    trouble = await bench.provider.server_trouble(spec.name)
    assert trouble == ServerTrouble(2, is_plain=True, line="no such folder")
    problem = (await bench.provider.status([spec.name]))[spec.name].problem
    assert "ended 2 times" in problem
    assert "no such folder" in problem
    bench.set_trouble(spec, None)
    await start(bench.provider, spec, bench.seed())
    assert (await bench.provider.status([spec.name]))[spec.name].problem == ""
    with pytest.raises(ProviderError, match="desk-nobody-0"):
        await bench.provider.server_trouble("desk-nobody-0")
