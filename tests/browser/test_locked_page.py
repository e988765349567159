"""Somebody who forgot a password, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from browser.conftest import shot
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
