"""What a trainee is told inside JupyterLab, in the real one: warning, notices, the way home."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from browser.conftest import shot
from browser.machine_lab import TOKEN, LabServer, run_lab
from fakes.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NOTICE = {"id": "0a1b", "en": "Your disk is full.", "fr": "Votre disque est plein."}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[LabServer]:
    with run_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def page(lab, new_page):
    def open_lab(language: str):
        (lab.root / "run/vmlab/language").write_text(language)
        page = new_page(locale="fr-FR" if language == "fr" else "en-GB")
        page.goto(f"{lab.url}lab?token={TOKEN}")
        page.wait_for_selector("#jp-menu-panel, .jp-MenuBar, #jp-MainMenu")
        expect(page.locator("#vmlab-cover")).to_have_count(0)
        return page

    lab.tell("notices.json", [])
    lab.tell("warning.json", {})
    for seen in (lab.root / "run/vmlab/notices-seen").iterdir():
        seen.unlink()
    (lab.root / "run/vmlab-server/keep").unlink(missing_ok=True)
    return open_lab


def find_toast(page, words: str):
    """Return the notification with these words, once it has come to rest."""
    toast = page.locator(".Toastify__toast", has_text=words)
    toast.wait_for()
    toast.evaluate("e => Promise.all(e.getAnimations({subtree: true}).map(a => a.finished))")
    return toast


@pytest.mark.parametrize(
    ("language", "words", "button"),
    [
        ("en", "your lab will be stopped at", "Keep my lab"),
        ("fr", "votre lab sera arrêté à", "Garder mon lab"),
    ],
)
def test_a_trainee_is_warned_and_keeps_the_lab(lab, page, language, words, button):
    lab.tell("warning.json", {"stop_at": time.time() + 600})
    opened = page(language)
    warning = find_toast(opened, words)
    shot(opened, f"lab-warning-{language}")
    keep = warning.get_by_role("button", name=button)
    keep.focus()
    opened.keyboard.press("Enter")
    deadline = time.monotonic() + 120
    while not (lab.root / "run/vmlab-server/keep").exists():
        assert time.monotonic() < deadline
        opened.wait_for_timeout(50)


def test_a_notice_is_shown_until_it_was_read_and_the_data_s_page_is_a_menu_away(lab, page):
    lab.tell("notices.json", [NOTICE])
    opened = page("fr")
    toast = find_toast(opened, NOTICE["fr"])
    shot(opened, "lab-notice-fr")
    with opened.expect_response("**/vmlab/notices/0a1b/seen*") as answer:
        toast.get_by_role("button", name="Compris").click()
    assert answer.value.ok
    assert (lab.root / "run/vmlab/notices-seen/0a1b").exists()
    assert [row["seen"] for row in lab.get("vmlab/notices").json()["notices"]] == [True]
    find_data_page(opened, "fr", "Fichier", "Mes données")


def test_the_home_is_taken_along_and_the_data_s_page_is_a_menu_away(lab, page):
    home = lab.root / "home/trainee"
    (home / "thesis.tex").write_bytes(os.urandom(2_000_000))
    opened = page("en")
    opened.get_by_role("menuitem", name="File", exact=True).click()
    item = opened.get_by_role("menuitem", name="Download My Home Folder")
    item.wait_for()
    shot(opened, "lab-file-menu")
    opened.keyboard.press("Escape")
    answer = lab.get("vmlab/home.tar.gz")
    assert answer.headers["Content-Type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
        (name,) = [n for n in names if n.endswith("/thesis.tex")]
        assert archive.extractfile(name).read() == (home / "thesis.tex").read_bytes()
    find_data_page(opened, "en", "File", "My Data")


def find_data_page(opened: Page, language: str, menu: str, words: str) -> None:
    """Find the hub's page about the data in the palette and in a menu, and open it."""
    opened.keyboard.press("Control+Shift+C")
    opened.locator(".lm-CommandPalette-input").fill(words)
    # The machine's first word may be on its way: until then all is in English.
    found = opened.locator(".lm-CommandPalette-itemLabel", has_text=words)
    found.wait_for()
    opened.keyboard.press("Escape")
    opened.get_by_role("menuitem", name=menu, exact=True).click()
    item = opened.get_by_role("menuitem", name=words)
    item.wait_for()
    shot(opened, f"lab-my-data-{language}")
    with opened.expect_popup() as popup:
        item.click()
    popup.value.wait_for_url("**/hub/vmlab/data")


@pytest.mark.attack("volumes.slow-readers", "takes the home twice and reads nothing of it")
def test_a_home_that_nobody_reads_keeps_no_other_call_waiting(lab, tried):
    (lab.root / "home/trainee/data").write_bytes(os.urandom(32_000_000))
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            answer = stack.enter_context(lab.get("vmlab/home.tar.gz", stream=True))
            assert answer.status_code == 200
        assert lab.get("vmlab/home.tar.gz", stream=True).status_code == 429
        assert [lab.get("vmlab/notices").status_code for _ in range(20)] == [200] * 20
    tried(3)
    (lab.root / "home/trainee/data").unlink()
    taken = wait_until(lambda: (got := lab.get("vmlab/home.tar.gz")).ok and got)
    assert taken.content[:2] == b"\x1f\x8b", "who went away is forgotten"


def test_nobody_else_is_let_in(lab):
    for path in ("vmlab/notices", "vmlab/home.tar.gz"):
        answer = requests.get(f"{lab.url}{path}", timeout=60, allow_redirects=False)
        assert answer.status_code in {302, 403}
    for path in ("vmlab/keep", "vmlab/notices/0a1b/seen"):
        assert requests.post(f"{lab.url}{path}", timeout=60).status_code == 403
    assert not (lab.root / "run/vmlab-server/keep").exists()


def test_damaged_files_are_nothing_to_tell(lab):
    (lab.root / "run/vmlab/notices.json").write_text("{")
    (lab.root / "run/vmlab/warning.json").write_text("[1]")
    assert lab.get("vmlab/notices").json()["notices"] == []
    assert lab.get("vmlab/notices").json()["stop_at"] == 0


NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "outputs": [],
         "execution_count": None, "source": f"print('answer', {number} * 7)"}
        for number in (1, 2)
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}  # fmt: skip


def test_cells_that_are_run_before_their_kernel_is_there_are_run_when_it_is(lab, new_page):
    (lab.root / "home/trainee/early.ipynb").write_text(json.dumps(NOTEBOOK))
    opened = new_page()
    late = []  # the browser's requests for a kernel, which the network holds up
    opened.route(
        "**/api/sessions?*",
        lambda route: late.append(route) if route.request.method == "POST" else route.continue_(),
    )
    opened.goto(f"{lab.url}lab/tree/early.ipynb?token={TOKEN}")
    cells = opened.locator(".jp-CodeCell")
    expect(cells).to_have_count(2)
    opened.wait_for_function("document.querySelector('.jp-CodeCell .cm-content')")
    cells.first.click()
    opened.keyboard.press("Shift+Enter")
    opened.keyboard.press("Control+Enter")
    expect(opened.locator(".jp-CodeCell .jp-InputPrompt")).to_have_text(["[*]:", "[*]:"])
    shot(opened, "lab-waits-for-kernel")
    for route in late:
        route.continue_()
    expect(opened.locator(".jp-OutputArea-output")).to_have_text(["answer 7", "answer 14"])
    expect(opened.locator(".jp-CodeCell .jp-InputPrompt")).to_have_text(["[1]:", "[2]:"])
