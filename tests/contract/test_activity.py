"""Whether somebody works in a machine: the contract of `ReportsActivity`, over every provider."""

from __future__ import annotations

import pytest

from fakes.benches import start
from vmlab.errors import ProviderError


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
