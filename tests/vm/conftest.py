"""Real machines: quick ones with the tiny guest, slow ones with the desk image itself."""

from __future__ import annotations

import pytest

from fakes.benches import open_bench


@pytest.fixture
async def bench(tiny_cache, failed):
    """The qemu provider with the tiny guest."""
    async with open_bench("qemu", tiny_cache, failed) as made:
        yield made
