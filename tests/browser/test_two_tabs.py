"""One person with two tabs, and pages that stay open while the hub is killed and comes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import log_in, shot
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

BOOT_S = 60.0  # until it has been seen
SOON_MS = 120_000  # a page that got no answer for a while asks twice a minute


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[RunningHub]:
    names = ("ada", "bob", "dan", "eve")
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=names) as running:
        yield running


@pytest.fixture
def two_tabs(hub, new_page):
    """Begin a start in one tab; return it and a second one, both on the page of the start."""

    def opened(name: str) -> tuple[Page, Page]:
        first = new_page()
        log_in(first, hub, name)
        first.locator("#start").click()
        expect(first.locator("#vm-start")).to_be_visible()
        second = first.context.new_page()
        second.goto(first.url)
        for tab in (first, second):
            expect(tab.locator('.vm-stage[data-state="current"]')).to_be_visible()
        return first, second

    yield opened
    hub.set_faults()


def test_both_tabs_follow_a_start_and_land_on_the_machine(hub, two_tabs):
    hub.set_faults(delays_s={"boot": BOOT_S})
    tabs = two_tabs("ada")
    hub.set_faults()
    for tab in tabs:
        tab.wait_for_url(f"{hub.machine_url('ada')}/**", timeout=SOON_MS)


def test_a_start_that_is_stopped_in_one_tab_is_told_in_the_other(hub, two_tabs):
    hub.set_faults(hang_at="boot")
    first, second = two_tabs("bob")
    first.get_by_role("button", name="Stop the start").click()
    first.wait_for_url("**/hub/home")
    # It hears that the start was stopped, or finds it gone: it says so, and how to begin again.
    expect(second.locator("#vm-start-running:visible")).to_have_count(0)
    expect(second.locator("#vm-start-retry:visible, #start:visible")).to_be_visible()
    shot(second, "start-stopped-in-another-tab")


def test_who_logs_out_in_one_tab_is_asked_to_log_in_in_the_other(hub, two_tabs):
    hub.set_faults(hang_at="boot")
    first, second = two_tabs("dan")
    second.goto(f"{hub.base_url}/hub/logout")
    first.get_by_role("button", name="Stop the start").click()
    first.wait_for_url("**/hub/login?next=*")
    hub.set_faults()
    first.fill("#username_input", "dan")
    first.fill("#password_input", hub.password("dan"))
    first.click("#login_submit")
    expect(first.locator("#vm-start")).to_be_visible()  # where they were


def test_home_and_board_are_left_when_one_logs_out_elsewhere(hub, new_page):
    home = new_page()
    log_in(home, hub, "facilitator")
    board = home.context.new_page()
    board.goto(f"{hub.base_url}/hub/admin")
    expect(board.locator("#vm-board-time")).to_contain_text("Live")
    other = home.context.new_page()
    other.goto(f"{hub.base_url}/hub/logout")
    home.wait_for_url("**/hub/login?next=*", timeout=SOON_MS)
    expect(board.locator("#vm-board-alert")).to_contain_text("session has ended", timeout=SOON_MS)


def test_home_and_board_go_on_when_the_hub_was_killed_and_is_back(tmp_path, new_page):
    with RunningHub(tmp_path, trainees=("ada",)) as hub:
        hub.start_server("ada")
        home, board = new_page(), new_page()
        log_in(home, hub, "ada")
        expect(home.locator("#start")).to_have_text("Open my machine", use_inner_text=True)
        log_in(board, hub, "facilitator", path="/hub/admin")
        expect(board.locator("#vm-board-time")).to_contain_text("Live")
        for page in (home, board):
            page.evaluate("window.isTheSamePage = true")
        hub.stop(signal.SIGKILL)  # and with it the fake's machines; its proxy goes on
        alert = board.locator("#vm-board-alert")
        expect(alert).to_contain_text("The hub does not answer", timeout=SOON_MS)
        hub.start()
        expect(alert).to_be_empty(timeout=SOON_MS)
        expect(board.locator("#vm-board-time")).to_contain_text("Live")
        expect(board.locator("#vm-board tbody tr", has_text="ada")).to_be_visible()
        expect(home.locator("#start")).to_have_text(
            "Start my machine", use_inner_text=True, timeout=SOON_MS
        )
        hub.start_server("ada")
        expect(home.locator("#start")).to_have_text(
            "Open my machine", use_inner_text=True, timeout=SOON_MS
        )
        # What was opened before still counts: nobody has to log in again, or to reload.
        assert all(page.evaluate("window.isTheSamePage") for page in (home, board))
        home.locator("#stop").click()
        expect(home.locator("main")).to_contain_text("It is off.", use_inner_text=True)
        for page in (home, board):
            page.wait_for_load_state("networkidle")
