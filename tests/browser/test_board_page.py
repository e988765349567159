"""The board in a real browser, against a real hub."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import log_in, shot, visit, wait_until_saved
from fakes.courses import make_files
from hub.running_hub import RunningHub
from vmlab.courses import pack_course

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
SOON_MS = 120_000  # a page that got no answer for a while asks twice a minute


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        running.add_user(HOSTILE, "trainees")
        running.add_user("outsider")
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running


@pytest.fixture
def open_board(hub, new_page):
    def opened(name: str = "facilitator", **options: object) -> Page:
        page = new_page(**options)
        visit(page, hub, name, path="/hub/admin")
        expect(page.locator("#vm-board tbody tr").first).to_be_visible()
        return page

    return opened


def names(page: Page) -> list[str]:
    return page.locator("#vm-board tbody th").all_inner_texts()


def row(page: Page, name: str):
    return page.locator("#vm-board tbody tr", has=page.get_by_role("rowheader", name=name))


def test_a_facilitator_sees_the_own_group_twice_by_steps_and_by_machines(open_board):
    page = open_board()
    assert sorted(names(page)) == [HOSTILE, "ada", "bob", "eve"]
    expect(page.locator("#vm-people tbody tr")).to_have_count(5)  # and oneself
    expect(page.locator("#vm-board-course")).to_have_text("First steps, version 1")
    expect(row(page, "ada").locator(".vm-machine")).to_have_text("running New machine …")
    expect(row(page, "eve").locator(".vm-machine")).to_have_text("never started")
    shot(page, "board-facilitator")


def test_an_administrator_sees_more_and_may_open_machines(open_board, hub):
    page = open_board("admin")
    assert "outsider" in names(page)
    link = row(page, "ada").get_by_role("link", name="Open the machine of ada")
    expect(link).to_have_attribute("href", f"{hub.machine_url('ada')}/")


def test_progress_appears_by_itself(open_board, hub):
    page = open_board()
    cells = row(page, "ada").locator(".vm-cell")
    expect(cells.nth(0)).to_contain_text("not tried")
    hub.report("ada", "01-who/user", passed=False).raise_for_status()
    expect(cells.nth(0)).to_contain_text("not passed, 1 try", timeout=SOON_MS)
    hub.report("ada", "01-who/user").raise_for_status()
    expect(cells.nth(0)).to_contain_text("passed after 2 tries", timeout=SOON_MS)
    expect(row(page, "ada").locator(".vm-done")).to_have_text("1 of 2")
    expect(page.locator(".vm-totals td").first).to_contain_text("1 of 4")
    hub.report("ada", "01-who/home-disk").raise_for_status()
    expect(row(page, "ada").locator(".vm-idle")).to_contain_text("finished", timeout=SOON_MS)
    expect(page.locator("#vm-board-summary")).to_contain_text("1 finished")
    shot(page, "board-live")


def test_a_hostile_name_is_only_text(open_board):
    page = open_board()
    assert HOSTILE in names(page)
    assert page.locator("#vm-board img").count() == 0


def test_names_can_be_hidden_for_projecting(open_board):
    page = open_board()
    page.get_by_role("switch", name="Hide names").check()
    assert sorted(names(page)) == ["Seat 1", "Seat 2", "Seat 3", "Seat 4"]
    for name in ("ada", "bob", "eve", "onerror"):
        expect(page.locator("main")).not_to_contain_text(
            re.compile(rf"\b{name}\b"), use_inner_text=True
        )
    shot(page, "board-names-hidden")
    page.reload()
    expect(page.get_by_role("switch", name="Hide names")).to_be_checked()
    expect(page.locator("#vm-admin-page")).to_be_hidden()
    page.get_by_role("switch", name="Hide names").uncheck()
    expect(row(page, "ada")).to_be_visible()
    expect(page.locator("#vm-admin-page")).to_be_visible()


def test_french_by_the_browsers_wish_and_by_the_switch(open_board):
    page = open_board(locale="fr-CH")
    expect(page).to_have_title("Tableau de bord · VMLab")
    assert page.locator("html").get_attribute("lang") == "fr"
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Tableau de bord", use_inner_text=True
    )
    expect(page.locator("#vm-board-course")).to_have_text("Premiers pas, version 1")
    expect(row(page, "eve").locator(".vm-machine")).to_have_text("jamais démarrée")
    expect(page.locator(".vm-step").first).to_have_text("Votre utilisateur")
    shot(page, "board-french")
    page.get_by_role("button", name="English").click()
    wait_until_saved(page)
    expect(page).to_have_title("Board · VMLab")
    expect(row(page, "eve").locator(".vm-machine")).to_have_text("never started")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Board", use_inner_text=True)


def test_a_language_that_is_neither_gets_the_labs(open_board):
    page = open_board(locale="de-DE")
    assert page.locator("html").get_attribute("lang") == "en"


def test_sorting_by_keyboard_keeps_the_focus(open_board):
    page = open_board()
    heading = page.get_by_role("columnheader", name="Trainee")
    expect(heading).to_have_attribute("aria-sort", "none")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(heading.get_by_role("button")).to_be_focused()
    assert names(page) == [HOSTILE, "ada", "bob", "eve"]
    expect(page.get_by_label("Sort by")).to_have_value("name")


def test_it_is_a_table_that_can_be_listened_to(open_board):
    page = open_board()
    table = page.get_by_role("table", name=re.compile("Trainees, their machines and the steps"))
    expect(table).to_be_visible()
    for heading in table.locator("th").all():
        assert heading.get_attribute("scope") in {"col", "colgroup", "row"}
    for cell in table.locator("tbody td.vm-cell, tbody td.vm-machine").all():
        assert cell.inner_text().strip(), "a sign without a word"
    for sign in page.locator("#vm-board svg").all():
        assert sign.get_attribute("aria-hidden") == "true"
    expect(page.locator("#vm-board-live[aria-live=polite]")).to_contain_text("working")


def test_the_hub_goes_and_comes_back(open_board):
    page = open_board()
    page.context.set_offline(True)
    alert = page.locator("#vm-board-alert")
    expect(alert).to_contain_text("The hub does not answer", timeout=SOON_MS)
    expect(alert).to_contain_text(re.compile(r"is from \d\d:\d\d:\d\d"))
    assert "ada" in names(page)
    shot(page, "board-hub-lost")
    page.context.set_offline(False)
    expect(alert).to_be_empty(timeout=SOON_MS)
    expect(page.locator("#vm-board-time")).to_contain_text("Live")


def test_an_ended_session_is_told(open_board):
    page = open_board()
    page.context.clear_cookies()
    expect(page.locator("#vm-board-alert")).to_contain_text("session has ended", timeout=SOON_MS)
    expect(page.get_by_role("link", name="Reload the page")).to_be_visible()


def test_nobody_looks_nobody_asks(hub, new_page):
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "/vmlab/board" in r.url else None)
    page.add_init_script(
        "let away = false;"
        "Object.defineProperty(document, 'hidden', {get: () => away});"
        "window.setAway = (value) => {"
        "  away = value; document.dispatchEvent(new Event('visibilitychange'));"
        "};"
    )
    page.clock.install()
    visit(page, hub, "facilitator", path="/hub/admin")
    expect(page.locator("#vm-board tbody tr").first).to_be_visible()
    with page.expect_response("**/vmlab/board"):
        page.clock.run_for(3100)
    expect(page.locator("#vm-board[data-status=live]")).to_be_attached()
    page.evaluate("setAway(true)")
    expect(page.locator("#vm-board-time")).to_have_text("Paused")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    with page.expect_response("**/vmlab/board"):
        page.evaluate("setAway(false)")
    expect(page.locator("#vm-board-time")).to_contain_text("Live")


def test_a_trainee_cannot_open_it(hub, new_page):
    page = new_page()
    log_in(page, hub, "ada")
    expect(page.get_by_role("link", name="Board")).to_have_count(0)
    answer = page.goto(f"{hub.base_url}/hub/admin")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "You may not open this page", use_inner_text=True
    )
    expect(page.locator("#vm-board")).to_have_count(0)


def test_a_break_is_declared_and_ended_on_the_board(hub, open_board):
    page = open_board()
    page.get_by_label("Break", exact=True).select_option("60 minutes")
    page.get_by_role("button", name="Declare a break").click()
    expect(page.locator("#vm-break")).to_contain_text("no idle machine is stopped")
    expect(page.get_by_role("button", name="End the break")).to_be_focused()
    shot(page, "board-break")
    token = hub.user_token("facilitator")
    assert hub.api("GET", "vmlab/idle", token=token).json()["is_break"]
    page.get_by_role("button", name="End the break").click()
    expect(page.get_by_role("button", name="Declare a break")).to_be_visible()
    assert not hub.api("GET", "vmlab/idle", token=token).json()["is_break"]
    page = open_board(locale="fr-FR")
    expect(page.get_by_role("button", name="Déclarer une pause")).to_be_visible()
