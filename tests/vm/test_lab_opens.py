"""From the home page to a drawn JupyterLab in a real machine: no blank page, then the course."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.conftest import log_in, shot
from hub.running_hub import PROJECT, RunningHub
from vm.desk import PAGE_LIMIT_MS
from vmlab.courses import pack_course
from vmlab.courses.folder import read_folder
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

# What a trainee had in front of them, at each change of each page on the way.
WATCH = """
(() => {
  const bare = () => {
    const cover = document.getElementById("vmlab-cover");
    if (cover) window.wasCovered = true;
    const files = document.querySelector(".jp-DirListing-item");
    const course = document.querySelector(".vmlab-course .vmlab-exercises");
    if (window.wasCovered && !cover && !(files && course)) console.error("vmlab-bare");
  };
  new MutationObserver(bare).observe(document, { childList: true, subtree: true });
})();
"""


@pytest.fixture(scope="module")
def hub(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    volume = '[volume]\nsize = "256M"'
    cache = default_paths().cache
    with RunningHub(folder, provider="qemu", cache=cache, lab_lines=volume) as running:
        data = pack_course(read_folder(PROJECT / "notebooks/first-steps")).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running
        if running.server("ada"):
            running.stop_server("ada", limit_s=180)
    shutil.rmtree(folder)


def test_a_first_start_leads_to_the_course_and_its_files(hub, new_page):
    page = new_page()
    page.set_default_timeout(PAGE_LIMIT_MS)
    page.context.add_init_script(WATCH)
    bare: list[str] = []
    page.on("console", lambda said: bare.append(said.text) if "vmlab-bare" in said.text else None)
    kept: list[str] = []
    page.on("response", lambda a: kept.append(a.headers.get("cache-control", "")))
    log_in(page, hub, "ada")
    page.get_by_role("link", name="Start here: Who am I?").click()
    page.wait_for_selector("#vm-start")
    page.wait_for_url("**/user/ada/lab**", wait_until="commit")
    # The machine's page has something to show with its first byte.
    expect(page.locator("#vmlab-cover, #jp-main-dock-panel").first).to_be_attached()
    expect(page.locator("#vmlab-cover")).to_have_count(0, timeout=PAGE_LIMIT_MS)
    assert bare == [], "JupyterLab was shown before its course and its files were there"
    tabs = page.locator("#jp-main-dock-panel").get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(tabs.nth(1)).to_have_attribute("data-vmlab-title", "Who am I?")
    expect(page.locator(".jp-DirListing-item", has_text="first-steps")).to_be_visible()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    shot(page, "desk-lab-opens")
    tabs.first.click()
    here = page.locator(".vmlab-course li[aria-current=step]")
    expect(here).to_contain_text("Who am I?")
    shot(page, "desk-course")
    assert sum("immutable" in each for each in kept) > 40, "JupyterLab's files came from the host"
    page.get_by_role("menuitem", name="Lab", exact=True).click()
    with page.expect_popup() as popup:
        page.locator("#vmlab-menu .lm-Menu-item", has_text="My Data").click()
    popup.value.wait_for_url("**/hub/vmlab/data")
