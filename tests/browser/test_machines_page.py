"""A trainee's machines on the home page, in a real browser, and what the board shows of them."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from browser.barriers import find_barriers
from browser.conftest import shot, visit
from hub.running_hub import RunningHub
from hub.test_machines import GROUP

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>\n</pre><script>alert(2)</script>\n·[31mred"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), lab_lines=GROUP) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        yield running


def row(page: Page, label: str):
    return page.locator(f'#vm-machines tr[data-label="{label}"]')


@pytest.fixture
def open_home(hub, new_page):
    def opened(name: str = "ada", **options: object) -> Page:
        page = new_page(**options)
        visit(page, hub, name)
        expect(row(page, "desk")).to_be_visible()
        return page

    return opened


def test_the_list_says_state_address_and_names(open_home):
    page = open_home()
    expect(page.get_by_role("heading", name="My machines")).to_be_visible()
    expect(row(page, "node1").locator(".vm-machine")).to_have_text("running")
    expect(row(page, "node1").locator(".vm-address")).to_contain_text("10.77.1.2")
    expect(row(page, "node1").locator(".vm-address")).to_contain_text("for others: node1.t01")
    expect(row(page, "server")).to_contain_text("shared by all")
    expect(row(page, "server").get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("button", name="Switch my machines off")).to_be_visible()
    shot(page, "machines-home")


def test_the_picture_says_who_is_connected_to_whom(open_home):
    page = open_home()
    picture = page.locator("#vm-machines-picture").get_by_role("img")
    expect(picture).to_have_accessible_name(
        "The network 10.77.0.0/16 connects desk (running), node1 (running), node2 (running), "
        "server (running, shared by all), and the other trainees' machines."
    )
    expect(picture.locator("text", has_text="node2")).to_be_visible()
    page.get_by_role("button", name="Français").click()
    expect(picture).to_have_accessible_name(
        "Le réseau 10.77.0.0/16 relie desk (en marche), node1 (en marche), node2 (en marche), "
        "server (en marche, partagée par tous) et les machines des autres participants."
    )
    page.get_by_role("button", name="English").click()
    expect(picture.locator("text", has_text="other trainees")).to_be_visible()


def test_a_machine_is_restarted_with_the_keyboard_and_the_page_follows(hub, open_home):
    page = open_home()
    hub.set_faults(delays_s={"stop": 2.0})
    restart = row(page, "node2").get_by_role("button", name="Restart node2 …")
    restart.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Restart node2?")
    expect(dialog).to_contain_text("The other machines keep running.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(restart).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Restart it").press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text("It restarts.")
    dialog.get_by_role("button", name="Close").click()
    expect(row(page, "node2").locator(".vm-machine")).to_contain_text("starting or stopping")
    expect(row(page, "node2").get_by_role("button", name="Restart node2 …")).to_have_count(0)
    expect(row(page, "node1").locator(".vm-machine")).to_have_text("running")
    hub.set_faults()
    expect(row(page, "node2").locator(".vm-machine")).to_have_text("running")


def test_a_machine_is_replaced_while_the_others_run(hub, open_home):
    page = open_home()
    hub.set_faults(delays_s={"stop": 2.0})
    row(page, "node1").get_by_role("button", name="Replace node1 with a new machine …").click()
    dialog = page.get_by_role("dialog", name="Replace node1 with a new machine?")
    expect(dialog).to_contain_text("The other machines keep running.")
    shot(page, "machines-replace")
    dialog.get_by_role("button", name="Replace it").click()
    expect(dialog.get_by_role("status")).to_contain_text("It is being replaced.")
    dialog.get_by_role("button", name="Close").click()
    expect(row(page, "node1").locator(".vm-machine")).to_contain_text("starting or stopping")
    expect(row(page, "desk").locator(".vm-machine")).to_have_text("running")
    hub.set_faults()
    expect(row(page, "node1").locator(".vm-machine")).to_have_text("running")


def test_the_hub_s_refusal_is_said_in_words(open_home):
    page = open_home()
    page.route("**/node1/restart", lambda route: route.fulfill(status=409, body="{}"))
    row(page, "node1").get_by_role("button", name="Restart node1 …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Restart it").click()
    expect(dialog.get_by_role("status")).to_contain_text("It is starting or stopping already.")


def test_a_console_is_only_text_and_can_be_read_again(open_home):
    page = open_home()
    said = [HOSTILE, "second"]

    def answer(route) -> None:
        route.fulfill(content_type="application/json", body=json.dumps({"text": said.pop(0)}))

    page.route("**/node1/console", answer)
    row(page, "node1").get_by_role("button", name="Console of node1").click()
    lines = page.get_by_role("region", name="Console of node1")
    expect(lines).to_have_text(HOSTILE)
    assert page.locator("dialog img, dialog script").count() == 0
    shot(page, "machines-console")
    page.get_by_role("button", name="Read again").click()
    expect(lines).to_have_text("second")
    page.keyboard.press("Escape")
    expect(row(page, "node1").get_by_role("button", name="Console of node1")).to_be_focused()


def test_the_console_of_a_real_answer(open_home):
    page = open_home()
    row(page, "node1").get_by_role("button", name="Console of node1").click()
    expect(page.get_by_role("region", name="Console of node1")).to_contain_text("vmlab: boot")


def test_a_hub_that_does_not_answer_is_said_and_forgotten_when_it_does(open_home):
    page = open_home()
    page.route("**/vmlab/machines/ada", lambda route: route.abort())
    status = page.locator("#vm-machines-status")
    expect(status).to_contain_text("The hub does not answer")
    expect(row(page, "node1")).to_be_visible()
    page.unroute("**/vmlab/machines/ada")
    expect(status).to_have_text("")


def test_a_restart_that_failed_is_told_in_the_row(hub, open_home):
    page = open_home("bob", locale="fr-FR")
    hub.set_faults(fail_at="mounts")
    row(page, "node1").get_by_role("button", name="Redémarrer node1 …").click()
    page.get_by_role("button", name="La redémarrer").click()
    page.get_by_role("button", name="Fermer").click()
    problem = row(page, "node1").locator(".vm-problem")
    expect(problem).to_be_visible()
    expect(problem).to_contain_text("encadrant")
    hub.set_faults()


def home(page: Page) -> None:
    expect(page.locator("#vm-machines-picture").get_by_role("img")).to_be_visible()


def asked(page: Page) -> None:
    row(page, "node2").get_by_role("button", name="Restart node2 …").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def console(page: Page) -> None:
    row(page, "node2").get_by_role("button", name="Console of node2").click()
    expect(page.get_by_role("region", name="Console of node2")).to_contain_text("vmlab")


@pytest.mark.parametrize("show", [home, asked, console])
def test_there_is_no_barrier(open_home, show):
    page = open_home(viewport={"width": 1280, "height": 900})
    show(page)
    assert "\n".join(find_barriers(page)) == ""
    shot(page, f"barriers-machines-{show.__name__}")


@pytest.mark.parametrize("locale", ["en-GB", "fr-FR"])
def test_on_a_telephone_each_machine_is_a_card(open_home, locale):
    page = open_home(locale=locale, viewport=PHONE, color_scheme="dark")
    picture = page.locator("#vm-machines-picture").get_by_role("img")
    expect(picture).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    box = picture.bounding_box()
    assert box
    assert box["width"] > 300
    shot(page, f"machines-telephone-{locale}")


# -- the board -------------------------------------------------------------------------------------


def limited(hub: RunningHub, page: Page, machines: list[dict[str, str]]) -> None:
    """Have the hub say which of ada's machines flood the network."""
    token = hub.user_token("facilitator")

    def change(route) -> None:
        # Not `route.fetch()`: Playwright's driver knows no names that only browsers know.
        board = hub.api("GET", "vmlab/board", token=token).json()
        for each in board["rows"]:
            each["limited"] = machines if each["user"] == "ada" else []
        route.fulfill(json=board)

    page.unroute("**/vmlab/board*")
    page.route("**/vmlab/board*", change)


def test_staff_reads_and_restarts_a_trainees_machines_from_the_board(hub, new_page):
    page = new_page(viewport={"width": 1280, "height": 900})
    visit(page, hub, "facilitator", path="/hub/admin")
    page.get_by_role("button", name="Machines of ada").click()
    listed = page.get_by_role("dialog", name="Machines of ada")
    expect(listed.get_by_role("row")).to_have_count(5)
    expect(listed.get_by_role("button", name="Restart server …")).to_be_visible()
    assert "\n".join(find_barriers(page)) == ""
    shot(page, "board-machines")
    listed.get_by_role("button", name="Console of node1").click()
    console = page.get_by_role("dialog", name="Console of node1")
    expect(console.get_by_role("region")).to_contain_text("vmlab: boot")
    page.keyboard.press("Escape")
    expect(listed).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Machines of ada")).to_be_focused()


def test_the_board_shows_the_group_and_who_floods_until_it_stops(hub, new_page):
    page = new_page(viewport={"width": 1280, "height": 900})
    limited(hub, page, [{"label": "node1", "name": "node1.t01"}])
    visit(page, hub, "facilitator", path="/hub/admin")
    ada = page.locator("#vm-board tbody tr", has=page.get_by_role("rowheader", name="ada"))
    expect(ada.locator(".vm-machine")).to_contain_text("node1, node2: running")
    flood = "node1.t01 sends more than the network allows: limited"
    expect(ada.locator(".vm-machine")).to_contain_text(flood)
    expect(page.locator("#vm-board-summary")).to_contain_text("server: running")
    shot(page, "board-group")
    assert "\n".join(find_barriers(page)) == ""
    page.get_by_role("switch", name="Hide names").check()
    expect(page.locator("#vm-board-table")).to_contain_text("node1 sends more")
    expect(page.locator("#vm-board-table")).not_to_contain_text("node1.t01")
    page.get_by_role("switch", name="Hide names").uncheck()
    limited(hub, page, [])
    expect(ada.locator(".vm-machine")).not_to_contain_text("sends more")
