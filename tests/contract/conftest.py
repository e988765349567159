"""Every provider, for the one contract suite."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from fakes.benches import open_bench
from fakes.plugged_in import plugged_in


@pytest.fixture(params=["fake", "processes", pytest.param("qemu", marks=pytest.mark.vm)])
async def bench(request, failed, start_style):
    """A provider; of a module that says which ability it NEEDS, only one that has it."""
    kind = request.param
    cache = request.getfixturevalue("bench_cache") if kind == "qemu" else None
    elsewhere = kind == "processes"
    with plugged_in(request.getfixturevalue("processes")) if elsewhere else nullcontext():
        async with open_bench(kind, cache, failed, start_style) as made:
            for needed in getattr(request.module, "NEEDS", ()):
                if not isinstance(made.provider, needed):
                    pytest.skip(f"{kind} is not one that {needed.__name__}")
            yield made
