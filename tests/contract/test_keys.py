"""A machine at work is told other SSH keys: the contract of `TakesKeys`, over all."""

from __future__ import annotations

import pytest

from fakes.benches import start
from fakes.guest_seeds import PUBLIC_KEY
from vmlab.errors import ProviderError
from vmlab.providers.base import TakesKeys

NEEDS = (TakesKeys,)


async def test_a_running_machine_takes_other_keys(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    await bench.provider.set_keys(spec.name, (PUBLIC_KEY, PUBLIC_KEY))
    await bench.provider.set_keys(spec.name, ())


async def test_a_machine_that_does_not_run_takes_none(bench):
    spec = bench.spec()
    with pytest.raises(ProviderError, match="desk-nobody-0"):
        await bench.provider.set_keys("desk-nobody-0", ())
    await start(bench.provider, spec, bench.seed())
    await bench.provider.stop(spec.name)
    with pytest.raises(ProviderError, match=spec.name):
        await bench.provider.set_keys(spec.name, ())
