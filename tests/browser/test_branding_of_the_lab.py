"""What a lab calls itself, in a real browser; its logo is a picture and nothing else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import log_in, shot
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

EVIL = """<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" onload="alert(1)">
<script>document.documentElement.setAttribute("data-ran", "yes"); fetch("/hub/api/user")</script>
<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="/hub/home"/></foreignObject>
<rect width="64" height="64" fill="#7a1f3d"/></svg>"""
BRANDING = """
title = { en = "School of detectors", fr = "École de détecteurs" }
event = { en = "Caen, autumn 2026", fr = "Caen, automne 2026" }
helpers = "Anne <b>and</b> Luc"
logo = "logo.svg"
colour = "#7a1f3d"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "logo.svg").write_text(EVIL)
    with RunningHub(folder, branding_lines=BRANDING) as running:
        yield running


def test_the_lab_says_what_it_is_in_both_languages(hub, new_page):
    page = new_page(locale="fr-FR")
    page.goto(f"{hub.base_url}/hub/login")
    expect(page).to_have_title("Connexion · École de détecteurs")
    branding = page.locator(".vm-branding")
    for words in (
        "École de détecteurs",
        "Caen, automne 2026",
        "Qui peut vous aider : Anne <b>and</b> Luc",
    ):
        expect(branding).to_contain_text(words, use_inner_text=True)
    assert page.evaluate("document.querySelector('.vm-branding img').naturalWidth") == 64
    expect(page.locator("#login_submit")).to_have_css("background-color", "rgb(122, 31, 61)")
    shot(page, "branding-login-fr")
    log_in(page, hub, "ada")
    page.get_by_role("button", name="English").click()
    expect(page).to_have_title("Home · School of detectors")
    expect(branding).to_contain_text("Caen, autumn 2026", use_inner_text=True)
    shot(page, "branding-home-en")


@pytest.mark.attack("origin.logo", "scripts, frames and requests in the lab's SVG")
def test_a_logo_does_nothing_even_when_it_is_opened_by_itself(hub, new_page):
    page = new_page()  # a dialog or an error in it fails the test
    log_in(page, hub, "admin")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(f"{hub.base_url}/hub/logo")
    page.wait_for_load_state("networkidle")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.evaluate("document.documentElement.getAttribute('data-ran')") is None
    assert not [url for url in asked if url.endswith(("/hub/api/user", "/hub/home"))]
