"""Real machines with the desk image; the tiny guest where a hub is killed or many machines run."""

from __future__ import annotations

import pytest

from browser.conftest import launch_browser, new_page
from fakes.benches import open_bench

__all__ = ["bench", "browser", "new_page"]


@pytest.fixture
async def bench(bench_cache, failed, start_style):
    """The qemu provider with the tiny guest."""
    async with open_bench("qemu", bench_cache, failed, start_style) as made:
        yield made


@pytest.fixture
def browser():
    """Chromium for one test: the others of its module run event loops of their own."""
    with launch_browser() as launched:
        yield launched
