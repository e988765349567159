"""A lab that says nothing of itself and has no course, and somebody who forgot a password there."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from browser.conftest import log_in, shot
from hub.running_hub import RunningHub
from vmlab.people.guesses import MAX_FAILURES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        yield running


def test_a_locked_page_says_until_when_in_both_languages(hub, new_page):
    page = new_page(locale="fr-FR")
    page.goto(f"{hub.base_url}/hub/login")
    for _ in range(MAX_FAILURES + 1):
        page.locator("#username_input").fill("ada")
        page.locator("#password_input").fill("wrong")
        with page.expect_navigation():
            page.locator("#login_submit").click()
    box = page.locator("#vm-locked")
    expect(box).to_have_text(
        re.compile(r"Vous pourrez réessayer\s+à \d\d:\d\d:\d\d \(dans \d+ s\)\.")
    )
    page.locator(".vm-language[data-language=en]").click()
    expect(box).to_have_text(
        re.compile(r"You can try again.*\sat \d\d:\d\d:\d\d \(in \d+ s\)\.", re.DOTALL)
    )
    expect(page.locator("#username_input")).to_have_value("ada")
    shot(page, "locked")


def test_a_lab_without_words_is_vmlab(hub, new_page):
    page = new_page()
    page.goto(f"{hub.base_url}/hub/login")
    expect(page).to_have_title("Log in · VMLab")
    expect(page.locator(".vm-branding")).to_contain_text("A whole Linux machine of your own")
    icon = page.locator("link[rel=icon]").get_attribute("href")
    assert requests.get(f"{hub.base_url}{icon}", timeout=60).text.startswith("<svg")
    shot(page, "branding-default")


def test_a_hub_without_courses_shows_no_empty_block(hub, new_page):
    page = new_page()
    with page.expect_response("**/own/courses"):
        log_in(page, hub, "bob")
    expect(page.locator("#vm-course")).to_be_hidden()
