"""Every provider, for the one contract suite."""

from __future__ import annotations

import pytest

from fakes.benches import open_bench


@pytest.fixture(params=["fake", pytest.param("qemu", marks=pytest.mark.vm)])
async def bench(request, failed):
    cache = request.getfixturevalue("tiny_cache") if request.param == "qemu" else None
    async with open_bench(request.param, cache, failed) as made:
        yield made
