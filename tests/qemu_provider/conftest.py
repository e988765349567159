"""The qemu provider beyond the contract, with the tiny guest: it boots in seconds."""

from __future__ import annotations

import pytest

from fakes.benches import open_bench


@pytest.fixture
async def bench(tiny_cache, failed):
    """The qemu provider with the tiny guest."""
    async with open_bench("qemu", tiny_cache, failed) as made:
        yield made
