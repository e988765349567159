"""A trainee's own page about their data."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from conftest import log_in, shot
from hub.running_hub import RunningHub
from hub.test_api_volume import take

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    with RunningHub(folder, trainees=("ada", "bob")) as running:
        yield running


def test_who_never_started_has_no_disk_yet(hub, new_page):
    page = new_page()
    log_in(page, hub, "bob", path="/hub/vmlab/data")
    expect(page.locator("#vm-data")).to_contain_text("You have no disk yet")


def test_earlier_states_and_the_way_home_are_shown(hub, new_page):
    hub.start_server("ada")
    with ThreadPoolExecutor() as elsewhere:  # Playwright's event loop runs in this thread
        elsewhere.submit(take, hub, "ada").result()
    page = new_page(locale="fr-FR")
    log_in(page, hub, "ada")
    page.get_by_role("link", name="Mes données").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mes données", use_inner_text=True)
    rows = page.locator("#vm-states tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("demandé")
    expect(rows.locator("time")).not_to_have_text(re.compile("T.*Z|\\+00:00"))
    link = page.get_by_role("link", name="Télécharger mon dossier personnel")
    assert link.get_attribute("href") == "/user/ada/vmlab/home.tar.gz"
    shot(page, "data-fr")
