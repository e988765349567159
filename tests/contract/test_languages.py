"""A machine at work is told another language: the contract of `SpeaksLanguages`, over all."""

from __future__ import annotations

import pytest

from fakes.benches import start
from vmlab.errors import ProviderError
from vmlab.providers.base import SpeaksLanguages
from vmlab_protocol.notices import Language

NEEDS = (SpeaksLanguages,)


async def test_a_running_machine_takes_another_language(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    await bench.provider.set_language(spec.name, Language.FR)
    await bench.provider.set_language(spec.name, Language.EN)


async def test_a_machine_that_does_not_run_takes_none(bench):
    spec = bench.spec()
    with pytest.raises(ProviderError, match="desk-nobody-0"):
        await bench.provider.set_language("desk-nobody-0", Language.FR)
    await start(bench.provider, spec, bench.seed())
    await bench.provider.stop(spec.name)
    with pytest.raises(ProviderError, match=spec.name):
        await bench.provider.set_language(spec.name, Language.FR)
