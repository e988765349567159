"""A trainee's way from the log-in to the machine, in a real browser."""

from __future__ import annotations

import itertools
import json
import re
import signal

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import log_in, remember_starts, shot
from hub.running_hub import RunningHub

pytestmark = pytest.mark.browser

BOOT_S = 60.0  # until it has been seen
_names = (f"trainee{number}" for number in itertools.count(1))
TRAINEES = tuple(itertools.islice(_names, 12))


# Some tests leave a start at work, and no other test is to wait for it.
ALL_AT_ONCE = f"c.VMSpawner.start_slots = {len(TRAINEES)}\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(folder, trainees=TRAINEES, extra_config=ALL_AT_ONCE) as running:
        yield running


@pytest.fixture(scope="module")
def unused():
    return iter(TRAINEES)


@pytest.fixture
def trainee(unused):
    """A trainee whom no other test has met."""
    return next(unused)


@pytest.fixture
def start(hub, new_page, trainee):
    """Log in, press the button, and arrive on the page of the starting machine."""

    def started(**options: object) -> Page:
        page = new_page(**options)
        log_in(page, hub, trainee)
        page.locator("#start").click()
        expect(page.locator("#vm-start")).to_be_visible()
        return page

    yield started
    hub.set_faults()


def stage(page: Page, number: int):
    return page.locator(".vm-stage").nth(number)


def turning_icon(page: Page):
    return page.locator(".vm-stage[data-state=current] > .vm-stage-icon")


def test_the_first_start_shows_stages_and_promises_nothing(hub, start, trainee):
    hub.set_faults(delays_s={"boot": BOOT_S})
    page = start(reduced_motion="no-preference")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Your machine is starting", use_inner_text=True
    )
    expect(stage(page, 1)).to_have_attribute("aria-current", "step")
    expect(turning_icon(page)).to_have_css("animation-name", "vm-turn")
    expect(stage(page, 0)).to_have_attribute("data-state", "done")
    expect(stage(page, 2)).to_have_attribute("data-state", "waiting")
    expect(page.locator("#progress-message")).to_have_text(
        "Starting its system", use_inner_text=True
    )
    expect(page.locator("#vm-start-left")).to_contain_text("not known yet")
    shot(page, "start-first")
    hub.set_faults()
    page.wait_for_url(f"**/user/{trainee}/**")
    assert '"fake": true' in page.content()


def test_later_starts_say_how_long(hub, start, trainee):
    remember_starts(hub, boot_s=240.0, way="known")  # longer than a busy host lets a page wait
    hub.set_faults(delays_s={"boot": BOOT_S}, way="known")
    page = start()
    expect(page.locator("#vm-start-left")).to_have_text(re.compile(r"^About \d min \d+ s left$"))
    bar = page.get_by_role("progressbar", name="Start of your machine")
    expect(bar).not_to_have_attribute("aria-valuenow", "0")
    shot(page, "start-with-estimate")
    hub.set_faults()
    page.wait_for_url(f"**/user/{trainee}/**")


def test_french_and_a_switch_in_the_middle(hub, start):
    hub.set_faults(delays_s={"boot": 60})
    page = start(locale="fr-FR")
    expect(page).to_have_title("Votre machine démarre · VMLab")
    expect(page.locator("#progress-message")).to_have_text(
        "Démarrage de son système", use_inner_text=True
    )
    expect(stage(page, 1)).to_contain_text("en cours")
    shot(page, "start-french")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#progress-message")).to_have_text(
        "Starting its system", use_inner_text=True
    )
    expect(stage(page, 1)).to_contain_text("now")


def test_a_reload_loses_nothing(hub, start):
    hub.set_faults(delays_s={"boot": 60})
    page = start()
    expect(stage(page, 1)).to_have_attribute("data-state", "current")
    page.reload()
    expect(stage(page, 1)).to_have_attribute("data-state", "current")
    expect(turning_icon(page)).to_have_css("animation-name", "none")  # as the reader wants it
    page.get_by_text("What happened so far").click()
    expect(page.locator("#progress-log li")).to_have_count(5)


def test_a_failure_says_what_to_do_and_nothing_else(hub, start, trainee):
    hub.set_faults(delays_s={"boot": BOOT_S}, fail_at="mounts", fail_message="/secret/path is gone")
    page = start()
    expect(stage(page, 1)).to_have_attribute("data-state", "current")  # it hears of failures
    hub.set_faults()
    failed = page.locator("#vm-start-failed")
    expect(failed).to_be_visible()
    expect(failed).to_contain_text("Nothing is lost")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_focused()
    shot(page, "start-failed")
    for jargon in ("secret", "Exception", "Traceback", "fake.json", "GuestError", "mounts"):
        expect(page.locator("body")).not_to_contain_text(jargon, use_inner_text=True)
    page.reload()  # the hub's own page says the same
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Your machine did not start", use_inner_text=True
    )
    shot(page, "start-failed-reloaded")
    for jargon in ("secret", "Exception", "Traceback", "fake.json", "GuestError"):
        assert jargon not in page.content()
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(f"**/user/{trainee}/**")


def test_a_server_that_does_not_come_up_is_told_while_it_is_tried_again(hub, start, trainee):
    line = "Bad config encountered during initialization: <b>no folder</b> '/home/trainee/projet'"
    trouble = {"ends": 2, "is_plain": False, "line": line}
    hub.set_faults(trouble={trainee: trouble})
    page = start(locale="fr-FR", viewport={"width": 390, "height": 800})
    notice = page.locator("#vm-start-notices")
    expect(notice).to_contain_text("Vos propres réglages en sont sans doute la cause")
    expect(notice).to_contain_text(line)
    expect(page.locator("#vm-start-left")).not_to_contain_text("Presque")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "nothing scrolls sideways"
    shot(page, "start-trouble-fr")
    hub.set_faults(trouble={trainee: trouble | {"ends": 4}})
    expect(page.locator("#vm-start-reason")).to_contain_text("même sans vos propres réglages")
    expect(page.locator("#vm-start-reason")).to_contain_text(line)
    expect(page.locator("#vm-start-retry")).to_be_focused()
    shot(page, "start-given-up-fr")


def test_a_hub_that_was_away_is_waited_for(tmp_path, new_page):
    with RunningHub(tmp_path, trainees=("ada",)) as hub:
        hub.set_faults(hang_at="boot")
        page = new_page()
        log_in(page, hub, "ada")
        page.locator("#start").click()
        expect(stage(page, 1)).to_have_attribute("data-state", "current")
        with page.expect_response(lambda r: r.url.endswith("/hub/api/") and r.status == 503):
            hub.stop(signal.SIGKILL)  # its proxy goes on, and keeps the stream of events open
        expect(page.locator("#vm-start-connection")).to_contain_text("interrupted")
        shot(page, "start-hub-away")
        hub.start()
        # The fake provider's machines ended with the hub, so there is no start to go on with.
        expect(page.locator("#start")).to_be_visible()
        page.wait_for_load_state(
            "networkidle"
        )  # the hub must not go before the page's scripts came


def test_a_start_can_be_stopped(hub, start, trainee):
    hub.set_faults(delays_s={"boot": 60})
    page = start()
    expect(stage(page, 1)).to_have_attribute("data-state", "current")
    page.get_by_role("button", name="Stop the start").click()
    page.wait_for_url("**/hub/home")
    expect(page.locator("main")).to_contain_text("It is off.", use_inner_text=True)
    assert hub.server(trainee) == {}


def test_a_running_machine_can_be_switched_off_from_home(hub, new_page, trainee):
    hub.start_server(trainee)
    page = new_page(locale="fr-FR")
    log_in(page, hub, trainee)
    expect(page.locator("main")).to_contain_text("Elle est en marche.", use_inner_text=True)
    shot(page, "home-french")
    page.get_by_role("button", name="Éteindre ma machine").click()
    expect(page.locator("main")).to_contain_text("Elle est éteinte.", use_inner_text=True)
    assert hub.server(trainee) == {}


def test_pages_follow_a_machine_that_others_switch_on_and_off(hub, new_page, trainee):
    home, data = new_page(), new_page()
    log_in(home, hub, trainee)
    expect(home.locator("main")).to_contain_text("It is off.", use_inner_text=True)
    data.context.add_cookies(home.context.cookies())
    data.goto(f"{hub.base_url}/hub/user/{trainee}/")
    expect(data.locator("#start")).to_have_text("Start my machine", use_inner_text=True)
    hub.start_server(trainee)
    expect(home.locator("#start")).to_have_text("Open my machine", use_inner_text=True)
    assert home.locator("#start").get_attribute("href") == f"/hub/user/{trainee}/"
    data.wait_for_url(f"{hub.machine_url(trainee)}/**")  # of itself
    hub.set_faults(delays_s={"stop": 60.0})  # until it has been seen
    home.get_by_role("button", name="Switch my machine off").click()
    expect(home.locator("main")).to_contain_text("It is switching off.", use_inner_text=True)
    expect(home.locator("#start")).to_be_hidden()
    hub.set_faults()
    expect(home.locator("#start")).to_have_text("Start my machine", use_inner_text=True)
    assert home.locator("#start").get_attribute("href") == f"/hub/spawn/{trainee}"
    expect(home.get_by_role("button", name="Switch my machine off")).to_be_hidden()
    hub.set_faults(hang_at="boot")
    hub.api("POST", f"users/{trainee}/server").raise_for_status()
    expect(home.locator("#start")).to_have_text("Show its progress", use_inner_text=True)
    hub.set_faults()


def test_nothing_is_whole_while_it_is_waited_for(hub, start):
    hub.set_faults(hang_at="boot")
    page = start()
    stream = (
        'data: {"progress": 100, "progress_end": 100, "phase": "ready", "message": "Ready"}\n\n'
    )
    page.route("**/progress*", lambda r: r.fulfill(content_type="text/event-stream", body=stream))
    page.reload()
    expect(page.locator("#progress-message")).to_have_text("Ready", use_inner_text=True)
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "99")


def test_what_comes_from_a_machine_is_only_text(hub, start):
    hub.set_faults(delays_s={"boot": 60})
    evil = "<img src=x onerror=alert(1)>"
    event = {
        "progress": 1e999,
        "phase": 'x"><script>alert(2)</script>',
        "message": evil,
        "html_message": f'<span lang="en">{evil}Hello</span><span lang="fr">{evil}Bonjour</span>',
        "eta_s": "soon",
        "elapsed_s": evil,
    }
    # As a hub that lets something slip through would send it.
    stream = f"data: {json.dumps(event).replace('Infinity', '7')}\n\n"

    def answer(route) -> None:
        route.fulfill(content_type="text/event-stream", body=stream)

    page = start()
    page.route("**/progress*", answer)
    page.reload()
    expect(page.locator("#progress-message")).to_have_text("Hello", use_inner_text=True)
    assert page.locator("#vm-start img, #vm-start script").count() == 0


def test_a_wrong_password_is_told_in_both_languages(hub, new_page):
    page = new_page(locale="fr-FR")
    page.goto(f"{hub.base_url}/hub/login")
    page.fill("#username_input", TRAINEES[0])
    page.fill("#password_input", "wrong")
    page.click("#login_submit")
    expect(page.get_by_role("alert")).to_have_text(
        "Nom ou mot de passe incorrect. Attention aux majuscules.", use_inner_text=True
    )
    shot(page, "login-french")


def test_a_page_that_does_not_exist(hub, new_page):
    page = new_page()
    page.goto(f"{hub.base_url}/hub/nothing/<script>alert(1)</script>")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "There is no such page", use_inner_text=True
    )
