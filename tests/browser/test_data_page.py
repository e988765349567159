"""A trainee's own page about their data."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from browser.conftest import shot, visit
from hub.running_hub import RunningHub
from hub.test_api_volume import take
from vmlab.names import volume_name

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    lab = '[volume]\nsize = "64M"\ntotal = "150M"'
    with RunningHub(folder, trainees=("ada", "bob", "eve"), lab_lines=lab) as running:
        yield running


def test_who_never_started_has_no_disk_yet(hub, new_page):
    page = new_page()
    visit(page, hub, "bob", path="/hub/vmlab/data")
    expect(page.locator("#vm-data")).to_contain_text("You have no disk yet")


def test_earlier_states_and_the_way_home_are_shown(hub, new_page):
    hub.start_server("ada")
    with ThreadPoolExecutor() as elsewhere:  # Playwright's event loop runs in this thread
        elsewhere.submit(take, hub, "ada").result()
    page = new_page(locale="fr-FR")
    visit(page, hub, "ada")
    page.get_by_role("link", name="Mes données").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mes données", use_inner_text=True)
    rows = page.locator("#vm-states tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("demandé")
    expect(rows.locator("time")).not_to_have_text(re.compile("T.*Z|\\+00:00"))
    link = page.get_by_role("link", name="Télécharger mon dossier personnel")
    assert link.get_attribute("href") == f"{hub.machine_url('ada')}/vmlab/home.tar.gz"
    shot(page, "data-fr")


def test_a_state_is_kept_gone_back_to_and_forgotten(hub, new_page):
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(hub.start_server, "eve").result()
        elsewhere.submit(hub.stop_server, "eve").result()
    page = new_page()
    visit(page, hub, "eve", path="/hub/vmlab/data")
    rows = page.locator("#vm-states tbody tr")
    page.get_by_role("button", name="Keep the present state").click()
    expect(rows).to_have_count(1)
    page.wait_for_load_state()  # of the reloaded page: its scripts hear clicks
    # The machine runs: it is stopped first, without further questions.
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(hub.start_server, "eve").result()
    page.get_by_role("button", name="Replace my files with this state").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("it is kept as an earlier state")
    shot(page, "data-replace")
    dialog.get_by_role("button", name="Replace my files with this state").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("before something was restored")
    page.wait_for_load_state()
    shot(page, "data-en")
    page.get_by_role("button", name="Delete this state").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete this state").click()
    expect(rows).to_have_count(1)
    with ThreadPoolExecutor() as elsewhere:
        assert not elsewhere.submit(hub.server, "eve").result()
    with page.expect_download() as download:
        page.get_by_role("link", name="VirtualBox").click()
    assert download.value.suggested_filename == "home.vdi"
    assert b"Virtual Disk Image" in download.value.path().read_bytes()[:200]


def test_escape_leaves_everything_as_it_is(hub, new_page):
    page = new_page(locale="fr-FR")
    visit(page, hub, "eve", path="/hub/vmlab/data")
    rows = page.locator("#vm-states tbody tr")
    before = rows.count()
    page.get_by_role("button", name="Remplacer mes fichiers par cet état").first.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Tout laisser tel quel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(rows).to_have_count(before)


def write_anew(hub, user: str) -> None:
    """Write into a volume what a machine could have written."""
    path = hub.folder / "volumes" / f"{volume_name(user)}.qcow2"
    words = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 20M 40M", str(path)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def test_who_has_little_room_left_reads_that_older_states_go(hub, new_page):
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(hub.start_server, "bob").result()
        elsewhere.submit(hub.stop_server, "bob").result()
    page = new_page(locale="fr-FR")
    visit(page, hub, "bob", path="/hub/vmlab/data")
    expect(page.locator("#vm-tight")).to_have_count(0)
    write_anew(hub, "bob")
    page.get_by_role("button", name="Conserver l'état actuel").click()
    expect(page.locator("#vm-states tbody tr")).to_have_count(1)
    write_anew(hub, "bob")
    page.reload()
    expect(page.locator("#vm-tight")).to_contain_text("presque toute la place")
    shot(page, "data-tight-fr")
    page.get_by_role("button", name="Conserver l'état actuel").click()
    expect(page.locator("#vm-states tbody tr")).to_have_count(2)
    page.wait_for_load_state()  # of the reloaded page: its scripts hear clicks
    write_anew(hub, "bob")
    page.get_by_role("button", name="Conserver l'état actuel").click()
    expect(page.locator("#vm-keep-status")).to_contain_text("autant que la place le permet")
