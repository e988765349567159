"""The list of people below the board, and how the page is laid out, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import shot, visit, wait_until_saved
from fakes.courses import make_files
from hub.running_hub import RunningHub
from vmlab.courses import pack_course

pytestmark = pytest.mark.browser

SOON_MS = 120_000
STEPS = 12
LONG_NAME = "maximilian.featherstonehaugh-cholmondely"
NAMES = (*(f"trainee{number:02d}" for number in range(1, 58)), "ada", "jean-baptiste", LONG_NAME)


def course(name: str, steps: int) -> bytes:
    """Return a course of one exercise with so many steps, whose titles are long."""
    toml = make_files()["course.toml"].decode()
    head = toml[: toml.index("[[exercise.step]]")].replace("first-steps", name)
    head = head.replace("First steps", name.title()).replace("Premiers pas", f"Le {name}")
    step = '[[exercise.step]]\nname = "step-{0}"\ntitle = {{ en = "{1} {0}", fr = "{2} {0}" }}\n'
    words = ("A file that only root may write", "Un fichier que seul root peut écrire")
    text = head + "".join(step.format(number, *words) for number in range(steps))
    checks = "from lab import step\n" + "".join(
        f'@step("step-{number}")\ndef check_{number}(): ...\n' for number in range(steps)
    )
    files = {"course.toml": text.encode(), "01-who/checks.py": checks.encode()}
    return pack_course(make_files(files)).data


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=NAMES) as running:
        for name, steps in (("second", 2), ("first", STEPS)):
            answer = running.api(
                "POST", f"vmlab/courses/{name}", token=running.cli_token, data=course(name, steps)
            )
            answer.raise_for_status()
        for user in ("ada", "trainee01"):
            running.start_server(user)
        yield running


@pytest.fixture
def open_page(hub, new_page):
    def opened(name: str = "facilitator", **options: object) -> Page:
        page = new_page(**options)
        visit(page, hub, name, path="/hub/admin")
        expect(person(page, "ada")).to_be_visible()
        expect(page.locator("#vm-board tbody tr").first).to_be_visible()
        return page

    return opened


def person(page: Page, name: str):
    exact = re.compile(rf"^{re.escape(name)}$")
    header = page.get_by_role("rowheader", name=exact)
    return page.locator("#vm-people tbody tr", has=header)


def stop(hub, name: str) -> None:
    if hub.server(name):
        hub.stop_server(name)


# -- layout ----------------------------------------------------------------------------------

LINES = """cells => cells.map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell.firstChild);
  const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
  return [cell.firstChild.textContent, lines.size];
})"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("locale", ["en-GB", "fr-FR"])
def test_nothing_is_wider_than_the_page_and_names_stand_on_one_line(open_page, width, locale):
    page = open_page("admin", locale=locale, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for frame in ("#vm-board-table", "#vm-people-table"):
        wide, shown = page.locator(frame).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert wide == shown, frame
        lines = dict(page.locator(f"{frame} tbody th").evaluate_all(LINES))
        assert len(lines) >= len(NAMES)
        lines.pop(LONG_NAME)
        assert set(lines.values()) == {1}
    shot(page, f"board-sixty-{width}-{locale}")


def test_a_course_of_many_steps_scrolls_in_its_frame_and_names_stay(open_page, hub):
    hub.api(
        "POST", "vmlab/courses/second", token=hub.cli_token, data=course("second", 40)
    ).raise_for_status()
    page = open_page(viewport={"width": 1280, "height": 800})
    expect(page.locator("#vm-board-course")).to_contain_text("Second")
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    frame = page.locator("#vm-board-table")
    name = page.locator("#vm-board tbody th").first
    before = name.bounding_box()
    frame.evaluate("e => { e.scrollLeft = 600; }")
    assert frame.evaluate("e => e.scrollLeft") == 600
    assert name.bounding_box() == before


@pytest.mark.parametrize("width", [1280, 390])
def test_cards_are_still_tables_to_a_screen_reader(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    for name in ("Trainees, their machines and the steps", "People, their roles and machines"):
        table = page.get_by_role("table", name=re.compile(name))
        expect(table.get_by_role("rowheader", name="ada")).to_have_count(1)
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="ada"))
        expect(row.get_by_role("cell").first).to_be_visible()


# -- the course that is shown ------------------------------------------------------------------


def test_another_course_is_never_shown_under_the_name_of_the_one_chosen(open_page):
    page = open_page()
    page.get_by_label("Course", exact=True).select_option("First")
    expect(page.locator("#vm-board-course")).to_contain_text("First")
    page.route("**/vmlab/board?course=second", lambda _route: None)  # the hub takes its time
    page.get_by_label("Course", exact=True).select_option("Second")
    expect(page.locator("#vm-board-table")).to_have_text("Loading the course Second …")
    expect(page.get_by_label("Course", exact=True)).to_have_value("second")
    expect(page.locator("#vm-board-course")).to_be_empty()
    expect(page.locator("#vm-board-summary li")).to_have_count(0)
    page.unroute("**/vmlab/board?course=second")
    expect(page.locator("#vm-board-course")).to_contain_text("Second")
    expect(page.locator("#vm-board tbody tr").first).to_be_visible()


def test_a_course_that_is_gone_is_not_waited_for(hub, new_page):
    page = new_page()
    page.add_init_script("localStorage.setItem('vmlab-course', 'gone')")
    visit(page, hub, "facilitator", path="/hub/admin")
    expect(page.locator("#vm-board-course")).to_contain_text(re.compile("First|Second"))
    expect(page.locator("#vm-board-alert")).to_be_empty()


def test_who_is_stuck_in_another_course_is_seen_and_where(hub, open_page):
    body = {"course": "first", "exercise": "01-who", "step": "step-0", "passed": True}
    token = hub.server_token("ada")
    hub.api("POST", "vmlab/progress", token=token, json=body).raise_for_status()
    page = open_page()
    page.get_by_label("Course", exact=True).select_option("Second")
    row = page.locator("#vm-board tbody tr", has=page.get_by_role("rowheader", name="ada"))
    expect(row.locator(".vm-idle")).to_contain_text(f"in First: 1 of {STEPS}", timeout=SOON_MS)


# -- people and machines -----------------------------------------------------------------------


def test_names_roles_and_states_in_both_languages(open_page):
    page = open_page("admin")
    expect(person(page, "ada")).to_contain_text("trainee")
    expect(person(page, "ada")).to_contain_text("running")
    expect(person(page, "trainer")).to_contain_text("none")
    expect(person(page, "trainer").get_by_role("button")).to_have_count(0)
    expect(person(page, "jean-baptiste")).to_contain_text("never started")
    expect(person(page, "ada").get_by_role("link", name="Open the machine of ada")).to_be_visible()
    page.get_by_role("button", name="Français").click()
    wait_until_saved(page)
    expect(person(page, "ada")).to_contain_text("participant")
    expect(person(page, "trainer")).to_contain_text("formateur")
    expect(page.get_by_role("button", name="Arrêter toutes les machines (2) …")).to_be_visible()
    page.get_by_text("Ajouter des personnes").click()
    expect(page.locator("#vm-people-how")).to_contain_text("vmlab accounts")


def test_what_the_reader_may_not_do_is_not_offered(open_page):
    page = open_page()
    expect(person(page, "ada").get_by_role("link")).to_have_count(0)
    for words in ("Stop All", "Add Users", "Shutdown Hub", "Edit User", "Manage Groups"):
        expect(page.get_by_text(words, exact=True)).to_have_count(0)


def test_a_name_is_found(open_page):
    page = open_page()
    page.get_by_label("Find a name").fill("BAPT")
    expect(page.locator("#vm-people tbody tr")).to_have_count(1)
    expect(page.locator("#vm-people-count")).to_have_text(f"1 of {len(NAMES) + 1} shown")
    page.get_by_label("Find a name").fill("zzz")
    expect(page.locator("#vm-people-count")).to_have_text("No name contains this.")


def test_one_machine_is_started_and_stopped_with_the_keyboard(hub, open_page):
    stop(hub, "jean-baptiste")
    page = open_page()
    row = person(page, "jean-baptiste")
    row.get_by_role("button", name="Start the machine of jean-baptiste").focus()
    page.keyboard.press("Enter")
    button = row.get_by_role("button", name="Stop the machine of jean-baptiste")
    expect(row).to_contain_text("running", timeout=SOON_MS)
    expect(button).to_be_focused()
    hub.set_faults(idle_s={"jean-baptiste": 3000})
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Stop the machine of jean-baptiste?")
    expect(dialog).to_contain_text("Nobody has worked in it for 50 min.")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert hub.server("jean-baptiste")["ready"]
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Stop the machine").click()
    expect(dialog.get_by_role("status")).to_have_text("Under way.")
    expect(row).to_contain_text("off", timeout=SOON_MS)
    dialog.get_by_role("button", name="Close").click()
    expect(row.get_by_role("button", name="Start the machine of jean-baptiste")).to_be_focused()


def test_all_are_stopped_after_a_question_that_says_who_works(hub, open_page):
    for user in ("ada", "trainee01", "trainee02"):
        if not hub.server(user):
            hub.start_server(user)
    stop(hub, "jean-baptiste")
    hub.set_faults(idle_s={"ada": 5, "trainee01": 3000, "trainee02": 200})
    page = open_page()
    page.get_by_role("button", name="Stop all machines (3) …").click()
    dialog = page.get_by_role("dialog", name="Stop 3 machines?")
    expect(dialog).to_contain_text("2 of 3 are working right now.")
    expect(dialog).to_contain_text("What is not saved yet, and whatever is running, is lost.")
    expect(dialog.get_by_role("button", name="Keep them running")).to_be_focused()
    shot(page, "board-stop-all")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert hub.server("ada")["ready"]
    page.get_by_role("button", name="Stop all machines (3) …").click()
    dialog.get_by_role("button", name="Stop 3 machines").click()
    expect(dialog.get_by_role("status")).to_have_text("Under way for all 3 machines.")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name=re.compile("Stop all"))).to_be_hidden(timeout=SOON_MS)
    assert not any(hub.server(user) for user in ("ada", "trainee01", "trainee02"))


def test_all_are_started_after_a_question(hub, open_page):
    page = open_page()
    button = page.get_by_role(
        "button", name=re.compile(r"Start all machines that are off \(\d+\) …")
    )
    count = int(re.findall(r"\d+", button.inner_text())[0])
    button.click()
    dialog = page.get_by_role("dialog", name=f"Start {count} machines?")
    expect(dialog).to_contain_text("a few at a time")
    dialog.get_by_role("button", name=f"Start {count} machines").click()
    expect(dialog.get_by_role("status")).to_have_text(
        f"Under way for all {count} machines.", timeout=SOON_MS
    )
    assert hub.server("trainee57")
