"""The hub's pages speak the account's language; a click changes it for the account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from browser.conftest import log_in, wait_until_saved
from fakes.waiting import wait_until
from hub.running_hub import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HEADING = {"en": "Your machine", "fr": "Votre machine"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[RunningHub]:
    trainees = ("ada", "bob", "eve", "zoe")
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=trainees, language="en") as running:
        yield running


def language_of(hub, name: str) -> dict:
    return hub.api("GET", "vmlab/language", token=hub.user_token(name)).json()


def test_what_the_log_in_page_spoke_is_the_account_s(hub, new_page):
    page = new_page(locale="fr-FR")
    log_in(page, hub, "ada", keep_language=True)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["fr"], use_inner_text=True)
    assert language_of(hub, "ada") == {"language": "fr", "is_chosen": True}
    elsewhere = new_page(locale="en-GB")
    log_in(elsewhere, hub, "ada", keep_language=True)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text(
        HEADING["fr"], use_inner_text=True
    )


def test_a_choice_before_the_log_in_counts(hub, new_page):
    page = new_page(locale="en-GB")
    page.goto(f"{hub.base_url}/hub/login")
    page.get_by_role("button", name="Français").click()
    log_in(page, hub, "eve", keep_language=True)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["fr"], use_inner_text=True)
    assert language_of(hub, "eve")["language"] == "fr"


def test_a_click_is_for_the_account_and_not_for_one_browser(hub, new_page):
    page = new_page(locale="fr-FR")
    log_in(page, hub, "bob", keep_language=True)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["en"], use_inner_text=True)
    wait_until_saved(page)
    assert language_of(hub, "bob")["language"] == "en"
    elsewhere = new_page(locale="fr-FR")
    log_in(elsewhere, hub, "bob", keep_language=True)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text(
        HEADING["en"], use_inner_text=True
    )


def test_a_choice_outlives_a_reload_before_the_hub_has_saved_it(hub, new_page):
    page = new_page(locale="fr-FR")
    log_in(page, hub, "zoe", keep_language=True)
    page.route("**/vmlab/language", lambda route: route.abort())
    page.get_by_role("button", name="English").click()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["en"], use_inner_text=True)
    assert language_of(hub, "zoe")["language"] == "fr"
    page.unroute("**/vmlab/language")
    page.reload()
    wait_until(lambda: language_of(hub, "zoe")["language"] == "en")
    # The page knows it a moment after the hub does; until then what is held counts as newer.
    wait_until_saved(page)
    older = "sessionStorage.setItem('vmlab-language-unsaved', JSON.stringify(['zoe', 'fr', 'fr']))"
    page.evaluate(older)  # the account has chosen in another tab since then
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["en"], use_inner_text=True)
    theirs = "sessionStorage.setItem('vmlab-language-unsaved', JSON.stringify(['ada', 'en', 'fr']))"
    page.evaluate(theirs)  # another account's, from before this log-in
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING["en"], use_inner_text=True)
