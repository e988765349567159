"""A new machine with the same files, asked for in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import shot, visit
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

SOON_MS = 120_000
SLOW = {"boot": 1.0}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=("ada", "bob", "eve")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(hub):
    yield
    hub.set_faults()


def kept(hub) -> int:
    return hub.log.read_text().count("is to be renewed")


def ask(page: Page) -> None:
    page.locator(".vm-renew summary").click()
    page.locator("#vm-renew").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_trainee_gets_a_new_machine_from_the_home_page(hub, new_page):
    hub.start_server("ada")
    hub.set_faults(delays_s=SLOW)
    before, token = kept(hub), hub.server_token("ada")
    page = new_page()
    visit(page, hub, "ada")
    ask(page)
    dialog = page.get_by_role("dialog", name="Replace your machine with a new one?")
    expect(dialog).to_contain_text("Kept: all files in the home folder.")
    shot(page, "renew-question-en")
    dialog.get_by_role("button", name="Replace it").click()
    page.wait_for_url(re.compile(r"/(spawn-pending|user)/ada"))
    assert kept(hub) == before + 1
    page.wait_for_url("**/user/ada/**", timeout=SOON_MS)
    assert hub.server_token("ada") != token


def test_the_keyboard_is_enough_and_escape_changes_nothing(hub, new_page):
    before = kept(hub)
    page = new_page(locale="fr-FR")
    visit(page, hub, "bob")
    page.locator(".vm-renew summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#vm-renew")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Remplacer votre machine par une neuve ?")
    expect(dialog).to_be_visible()
    # What changes nothing has the focus, and the focus does not leave the question.
    expect(dialog.get_by_role("button", name="La laisser telle quelle")).to_be_focused()
    shot(page, "renew-question-fr")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#vm-renew")).to_be_focused()
    assert kept(hub) == before


def test_a_start_that_failed_offers_a_new_machine(hub, new_page):
    hub.set_faults(fail_at="mounts", delays_s={"mounts": 60.0})
    page = new_page()
    visit(page, hub, "eve")
    page.locator("#start").click()
    expect(page.locator('.vm-stage[data-state="current"]')).to_be_visible()  # it hears of failures
    hub.set_faults()
    expect(page.locator("#vm-start-failed")).to_be_visible(timeout=SOON_MS)
    shot(page, "renew-after-failure")
    ask(page)
    page.get_by_role("button", name="Replace it").click()
    page.wait_for_url("**/user/eve/**", timeout=SOON_MS)


def test_a_machine_that_is_off_offers_a_new_one(hub, new_page):
    page = new_page()
    visit(page, hub, "bob")
    page.goto(f"{hub.base_url}/hub/user/bob/")
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator(".vm-renew")).to_be_visible()
    shot(page, "renew-not-running")


def test_a_refusal_is_told_in_the_dialog(hub, new_page):
    page = new_page()
    visit(page, hub, "bob")
    page.locator("#vm-renew").evaluate(
        "b => b.dataset.renewUrl = b.dataset.renewUrl.replace('bob', 'ada')"
    )
    ask(page)
    page.get_by_role("button", name="Replace it").click()
    expect(page.get_by_role("status").last).to_have_text("You may not replace this machine.")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_facilitator_replaces_a_machine_on_the_board(hub, new_page):
    if not hub.server("ada"):
        hub.start_server("ada")
    before = kept(hub)
    page = new_page()
    visit(page, hub, "facilitator", path="/hub/admin")
    button = page.get_by_role("button", name="New machine … for ada")
    expect(button).to_be_visible()
    shot(page, "renew-board")
    button.click()
    dialog = page.get_by_role("dialog", name="Replace the machine of ada with a new one?")
    dialog.get_by_role("button", name="Replace it").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "The new machine is starting.", timeout=SOON_MS
    )
    shot(page, "renew-board-done")
    dialog.get_by_role("button", name="Close").click()
    assert kept(hub) == before + 1


def test_hidden_names_stay_hidden_in_the_question(hub, new_page):
    page = new_page()
    visit(page, hub, "facilitator", path="/hub/admin")
    page.get_by_label("Hide names").check()
    buttons = page.locator("#vm-board [data-renew]")
    expect(buttons.first).to_be_visible()
    buttons.first.click()
    title = page.get_by_role("dialog").get_by_role("heading")
    expect(title).to_have_text(re.compile(r"^Replace the machine of Seat \d with a new one\?$"))
    page.keyboard.press("Escape")
