"""Real machines with the desk image; the tiny guest where a hub is killed or many machines run."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import LIMIT_MS, launch_browser, new_page
from vm.desk import PAGE_LIMIT_MS

__all__ = ["browser", "new_page"]


@pytest.fixture
def browser():
    """Chromium for one test: the others of its module run event loops of their own.

    What a page shows comes out of a machine, which may take as long as a page of it.
    """
    expect.set_options(timeout=PAGE_LIMIT_MS)
    with launch_browser() as launched:
        yield launched
    expect.set_options(timeout=LIMIT_MS)
