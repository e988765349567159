"""The hub's home page: the course, own progress, and the way to the exercise to continue with."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from browser.conftest import log_in, shot, wait_until_saved
from hub.running_hub import PROJECT, RunningHub
from vmlab.courses import pack_course
from vmlab.courses.folder import read_folder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        data = pack_course(read_folder(PROJECT / "notebooks/first-steps")).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running


def test_who_never_began_is_led_to_the_first_exercise(hub, new_page):
    page = new_page()
    log_in(page, hub, "bob")
    course = page.locator("#vm-course")
    expect(course.get_by_role("heading", name="First steps")).to_be_visible()
    expect(course).to_contain_text("0 of 10 steps done")
    start = course.get_by_role("link", name="Start here: Who am I?")
    start.click()
    page.wait_for_url("**/user/bob/lab**")  # started, and with its exercise
    assert parse_qs(urlsplit(page.url).query)["exercise"] == ["first-steps/01-who-am-i"]
    page.goto(f"{hub.base_url}/hub/home")
    course.get_by_role("link", name="The network").click()
    page.wait_for_url("**/user/bob/lab**")  # at once: it runs
    assert parse_qs(urlsplit(page.url).query)["exercise"] == ["first-steps/03-network"]


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}}])
def test_own_progress_in_french_light_and_dark(hub, new_page, options):
    if not hub.server("ada"):
        hub.start_server("ada")
        for step in ("user", "sudo", "home"):
            hub.report("ada", f"01-who-am-i/{step}").raise_for_status()
    page = new_page(locale="fr-FR", color_scheme="dark" if options else "light", **options)
    log_in(page, hub, "ada")
    course = page.locator("#vm-course")
    here = course.locator("[aria-current=step]")
    expect(here).to_contain_text("Processus et services")
    expect(here).to_contain_text("vous en êtes là")
    expect(course).to_contain_text("3 étapes sur 10")
    expect(course.get_by_role("link", name="Continuer ici : Processus et services")).to_be_visible()
    shot(page, f"home-course-fr-{(options.get('viewport') or {}).get('width', 1440)}")
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "nothing to scroll to sideways"
    if not options:  # else behind the bar's own button
        page.get_by_role("button", name="English").click()
        expect(course).to_contain_text("3 of 10 steps done")
        wait_until_saved(page)
