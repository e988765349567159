"""No page of ours keeps anybody out: keyboard, screen reader, light and dark, small windows."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.barriers import find_barriers
from browser.conftest import log_in, shot
from fakes.courses import make_files
from fakes.waiting import wait_until
from hub.running_hub import PROJECT, RunningHub
from hub.test_api_volume import take
from vmlab.courses import pack_course
from vmlab.people.guesses import MAX_FAILURES

pytestmark = pytest.mark.browser

TEMPLATES = PROJECT / "spawner" / "vmlab" / "web" / "pages" / "templates"
PARTS = {"page.html"}  # what pages are made of; vmlab_text.html and the like show nothing alone
ELSEWHERE = {"vmlab_ssh.html"}  # test_ssh_page.py: the fake provider has no SSH
NEVER_SHOWN = {"spawn.html"}  # JupyterHub's form for the options of a start: there are none
BRANDING = """
title = { en = "School of detectors", fr = "École de détecteurs" }
event = "Where and when this takes place, a word_without_any_end_0123456789"
helpers = "Anne, Luc"
colour = "#767676"
"""
LAB = """
[volume]
size = "64M"
total = "150M"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    names = ("ada", "bob", "eve", "kim", "zoe")
    slots = f"c.VMSpawner.start_slots = {len(names)}\n"
    more: dict[str, Any] = {"lab_lines": LAB, "extra_config": slots, "branding_lines": BRANDING}
    with RunningHub(folder, trainees=names, **more) as running:
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        running.cookies = {}  # type: ignore[attr-defined]  # for the tests, by who is logged in
        yield running


def elsewhere(function, *arguments):
    """Call what waits for something in a thread of its own: Playwright's event loop is here."""
    with ThreadPoolExecutor() as executor:
        return executor.submit(function, *arguments).result()


def opened(page: Page, hub, name: str, path: str) -> None:
    """Open a page as somebody who is logged in."""
    if name not in hub.cookies:
        log_in(page, hub, name, path="/hub/home")
        hub.cookies[name] = page.context.cookies()
    page.context.add_cookies(hub.cookies[name])
    page.goto(f"{hub.base_url}/hub/{path}")


def run(hub, name: str) -> None:
    """Have a machine run."""
    if not hub.server(name):
        elsewhere(hub.start_server, name)


def login(page, hub):
    page.goto(f"{hub.base_url}/hub/login")


def login_refused(page, hub):
    login(page, hub)
    page.locator("#username_input").fill("ada")
    page.locator("#password_input").fill("wrong")
    page.locator("#login_submit").click()
    expect(page.get_by_role("alert")).to_be_visible()


def login_locked(page, hub):
    login(page, hub)
    for _ in range(MAX_FAILURES + 1):
        page.locator("#username_input").fill("nobody")
        page.locator("#password_input").fill("wrong")
        with page.expect_navigation():
            page.locator("#login_submit").click()
    expect(page.locator("#vm-locked")).to_be_visible()


def logout(page, hub):
    page.goto(f"{hub.base_url}/hub/logout")


def home_off(page, hub):
    opened(page, hub, "eve", "home")


def home_of_running_machine(page, hub):
    run(hub, "bob")
    opened(page, hub, "bob", "home")
    page.get_by_text("My machine is broken").click()


def new_machine_asked_for(page, hub):
    home_of_running_machine(page, hub)
    page.locator("#vm-renew").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def data_of_nobody(page, hub):
    opened(page, hub, "eve", "vmlab/data")


def data_with_states(page, hub):
    run(hub, "kim")
    elsewhere(take, hub, "kim")
    opened(page, hub, "kim", "vmlab/data")
    expect(page.locator("#vm-states")).to_be_visible()


def tokens(page, hub):
    hub.user_token("eve")
    opened(page, hub, "eve", "token")


def guide(page, hub):
    opened(page, hub, "eve", "vmlab/guide")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def no_such_page(page, hub):
    opened(page, hub, "eve", "nothing")


def forbidden(page, hub):
    opened(page, hub, "eve", "admin")
    expect(page.get_by_role("heading", level=1)).to_contain_text("may not open")


def no_room(page, hub):
    # The page that the proxy asks the hub for when a machine does not answer.
    opened(page, hub, "eve", "error/503?url=/user/eve")
    expect(page.get_by_role("heading", level=1)).to_contain_text("no room")


def machine_off(page, hub):
    opened(page, hub, "eve", "user/eve/lab")
    expect(page.locator("#start")).to_be_visible()


def starting(page, hub):
    hub.set_faults(hang_at="boot")
    opened(page, hub, "ada", "spawn/ada")  # goes on with the same start when there is one
    expect(page.locator("[aria-current=step]")).to_have_count(1)


def failed(page, hub):
    # As the hub says it; how soon a real start fails is not for a test of words and colours.
    event = {"failed": True, "progress": 100, "message": "gone"}
    stream = f"data: {json.dumps(event)}\n\n"
    page.route("**/progress*", lambda r: r.fulfill(content_type="text/event-stream", body=stream))
    hub.set_faults(hang_at="boot")
    opened(page, hub, "ada", "spawn/ada")
    expect(page.locator("#vm-start-failed")).to_be_visible()


def failed_before(page, hub):
    hub.set_faults(fail_at="mounts", fail_message="gone")
    with pytest.raises(AssertionError, match="failed"):
        run(hub, "eve")
    opened(page, hub, "eve", "spawn-pending/eve")
    expect(page.get_by_role("heading", level=1)).to_contain_text("did not start")


def stopping(page, hub):
    run(hub, "zoe")
    hub.set_faults(delays_s={"stop": 60.0})
    opened(page, hub, "zoe", "home")
    page.locator("#stop").click()  # the hub answers when it is off, and after 10 s at the latest
    expect(page.get_by_role("status")).to_contain_text("Switching off")
    wait_until(lambda: hub.server("zoe").get("pending") == "stop")
    page.goto(f"{hub.base_url}/hub/spawn-pending/zoe")
    # It loads itself again every five seconds, and is looked at for longer: 204 leaves it there.
    page.route("**/hub/spawn-pending/zoe", lambda route: route.fulfill(status=204))
    expect(page.locator("#refresh")).to_be_visible()


def board(page, hub):
    run(hub, "bob")
    hub.report("bob", "01-who-am-i/name")
    opened(page, hub, "facilitator", "admin")
    expect(page.locator("#vm-board tbody tr").first).to_be_visible()


def board_of_an_administrator(page, hub):
    opened(page, hub, "admin", "admin")
    expect(page.locator("#vm-board tbody tr").first).to_be_visible()


def consent(page, hub):
    asks = "client_id=jupyterhub-user-bob&redirect_uri=/user/bob/oauth_callback&response_type=code"
    run(hub, "bob")
    opened(page, hub, "admin", f"api/oauth2/authorize?{asks}")


def invitation(page, hub):
    shared = hub.api("POST", "share-codes/bob/", json={}, token=hub.user_token("admin"))
    shared.raise_for_status()
    opened(page, hub, "eve", f"accept-share?code={shared.json()['code']}")


PAGES = {
    login: "login.html",
    login_refused: "login.html",
    login_locked: "login.html",
    logout: "logout.html",
    home_off: "home.html",
    home_of_running_machine: "home.html",
    new_machine_asked_for: "home.html",
    data_of_nobody: "vmlab_data.html",
    data_with_states: "vmlab_data.html",
    tokens: "token.html",
    guide: "vmlab_guide.html",
    no_such_page: "404.html",
    forbidden: "error.html",
    no_room: "error.html",
    machine_off: "not_running.html",
    starting: "spawn_pending.html",
    failed: "spawn_pending.html",
    failed_before: "not_running.html",
    stopping: "stop_pending.html",
    board: "admin.html",
    board_of_an_administrator: "admin.html",
    consent: "oauth.html",
    invitation: "accept-share.html",
}


@pytest.mark.parametrize("show", PAGES, ids=lambda show: show.__name__)
def test_there_is_no_barrier(hub, new_page, show):
    hub.set_faults(volumes=True)
    page = new_page(viewport={"width": 1280, "height": 900})
    show(page, hub)
    expect(page.locator("main")).to_have_count(1)
    assert "\n".join(find_barriers(page)) == ""
    shot(page, f"barriers-{show.__name__}")


def extends(template: Path) -> bool:
    """Tell whether a template is a page; the others are parts of pages."""
    return re.search(r"{% extends", template.read_text()) is not None


def test_every_page_is_looked_at():
    own = {template.name for template in TEMPLATES.glob("*.html") if extends(template)}
    assert set(PAGES.values()) == own - PARTS - ELSEWHERE


def test_every_page_of_jupyterhub_is_ours(hub):
    import jupyterhub._data as data

    theirs = {p.name for p in (Path(data.DATA_FILES_PATH) / "templates").glob("*.html")}
    ours = {template.name for template in TEMPLATES.glob("*.html")}
    assert theirs - ours == NEVER_SHOWN
