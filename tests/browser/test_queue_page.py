"""A trainee whose machine waits for its turn, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import log_in, remember_starts, shot, wait_until_saved
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

TRAINEES = ("ada", "bob", "eve", "zoe")
KNOWN_S = 600.0  # how long a boot took; behind one that hangs for longer no end is promised


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    config = "c.VMSpawner.start_slots = 1\n"
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(folder, trainees=TRAINEES, extra_config=config) as running:
        remember_starts(running, boot_s=KNOWN_S)
        yield running


def queue_behind_two(page: Page, hub, name: str) -> None:
    """Stand in line behind two that hang."""
    log_in(page, hub, name)
    expect(page.locator("#start")).to_be_visible()
    hub.set_faults(hang_at="boot")
    for other in ("ada", "bob"):
        hub.api("POST", f"users/{other}/server").raise_for_status()
    page.locator("#start").click()
    expect(page.locator("#vm-start")).to_be_visible()


def test_the_place_in_the_line_moves_up_until_it_is_our_turn(hub, new_page):
    page = new_page(locale="fr-FR")
    queue_behind_two(page, hub, "eve")
    place = page.locator("#vm-start-place")
    expect(place).to_have_text("Vous êtes numéro 2 dans la file")
    expect(page.locator("#progress-message")).to_contain_text(
        "Vous êtes numéro 2 dans la file ; votre machine sera prête dans environ"
    )
    expect(page.locator("#vm-start-left")).to_contain_text("environ")
    expect(page.locator("[aria-current=step]")).to_have_count(0)
    shot(page, "queue-french")
    page.get_by_role("button", name="English").click()
    expect(place).to_have_text("You are number 2 in the queue")
    wait_until_saved(page)

    staff = new_page()
    log_in(staff, hub, "facilitator", path="/hub/admin")
    expect(staff.locator("body")).to_contain_text("waiting to start, number 2")

    hub.stop_server("bob")  # the one before us gives up
    expect(place).to_have_text("You are next")
    shot(page, "queue-next")
    page.reload()
    expect(place).to_have_text("You are next")
    page.get_by_text("What happened so far").click()
    expect(page.locator("#progress-log li")).to_have_count(1)

    hub.set_faults(delays_s={"boot": 60.0})  # until it has been seen
    hub.stop_server("ada")
    expect(page.locator("#vm-start-queue")).to_be_hidden()
    expect(page.locator("#progress-message")).to_be_visible()
    hub.set_faults()
    page.wait_for_url("**/user/eve/**")
