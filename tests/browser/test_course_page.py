"""JupyterLab opens on the course: titles, own progress, where to go on; and the menu Lab."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import shot
from browser.machine_lab import TOKEN, LabServer, run_lab
from fakes.small_hub import SmallHub
from fakes.waiting import wait_until
from hub.running_hub import PROJECT
from vmlab.courses.folder import read_folder
from vmlab.courses.parse import parse_course
from vmlab.courses.store import stored_course
from vmlab.database import StepResult
from vmlab.web.board import make_outline
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.record import RECORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SOURCE = PROJECT / "notebooks/first-steps"
COURSE = stored_course(parse_course(read_folder(SOURCE), "first-steps"), 1, "d", 1.0)


def result(step: str, at: float, *, passed: bool = True) -> StepResult:
    exercise, _, name = step.partition("/")
    return StepResult("ada", "", exercise, name, 1, at if passed else None, at, passed)


@pytest.fixture(scope="module")
def hub() -> Iterator[SmallHub]:
    with SmallHub() as running:
        yield running


@pytest.fixture(scope="module")
def lab(tmp_path_factory, hub) -> Iterator[LabServer]:
    with run_lab(tmp_path_factory.mktemp("lab"), **hub.env) as running:
        yield running


@pytest.fixture(autouse=True)
def at_work(hub, lab):
    """A trainee who has the course, did the first exercise and a step of the second."""
    (lab.root / "run/vmlab/language").write_text("en")
    lab.tell("notices.json", [])
    deliver(SOURCE, lab.home, "first-steps", 1)
    steps = [f"01-who-am-i/{name}" for name in ("user", "sudo", "home")]
    report(hub, *steps, "02-processes-and-services/start")


def report(hub: SmallHub, *passed: str) -> None:
    results = tuple(result(step, at) for at, step in enumerate(passed, 10))
    hub.state.own = make_outline([COURSE], {"first-steps": results})


@pytest.fixture
def open_lab(lab, new_page):
    def opened(path: str = "lab", **options: object) -> Page:
        page = new_page(**options)
        joint = "&" if "?" in path else "?"
        page.goto(f"{lab.url}{path}{joint}token={TOKEN}&reset")
        return page

    return opened


def lifted(page: Page) -> None:
    """Return when the start's page has made way for JupyterLab."""
    expect(page.locator("#vmlab-cover")).to_have_count(0)


def tabs(page: Page):
    return page.locator("#jp-main-dock-panel").get_by_role("tab")


def expect_tabs(page: Page, *names: str) -> None:
    """Expect tabs in the main area with these names, by what the browser tells readers."""
    expect(tabs(page)).to_have_count(len(names))
    for place, name in enumerate(names[1:], 1):
        expect(tabs(page).nth(place)).to_have_attribute("data-vmlab-title", name)
    session = page.context.new_cdp_session(page)

    def are_heard() -> bool:
        told = session.send("Accessibility.getFullAXTree")["nodes"]
        heard = [each["name"]["value"] for each in told if each["role"]["value"] == "tab"]
        return all(any(name in each for each in heard) for name in names)

    wait_until(are_heard)  # a tab is there a moment before its words


def test_the_lab_opens_on_the_course_whose_button_leads_on_and_whose_progress_is_live(
    open_lab, lab, hub
):
    """One page for all of it: to load JupyterLab costs more than whatever is done in it."""
    page = open_lab()
    expect(page.locator("#vmlab-cover")).to_contain_text("JupyterLab is opening")
    lifted(page)
    expect(page.locator(".jp-DirListing-item", has_text="first-steps")).to_be_visible(timeout=1)
    expect_tabs(page, "Course")
    course = page.locator(".vmlab-course")
    expect(course.get_by_role("heading", level=1)).to_have_text("First steps")
    expect(course).to_contain_text("4 of 10 steps done")
    here = course.locator("li[aria-current=step]")
    expect(here).to_contain_text("Processes and services")
    expect(here).to_contain_text("1 of 4 steps done")
    expect(here).to_contain_text("you are here")
    expect(course.locator(".vmlab-exercises > li").first).to_contain_text("3 of 3 steps done")
    shot(page, "course-page")

    go = page.get_by_role("button", name="Continue here: Processes and services")
    go.focus()
    page.keyboard.press("Enter")
    expect_tabs(page, "Course", "Processes and services")
    expect(page.locator(".jp-Notebook")).to_be_visible()
    shot(page, "course-notebook")
    files = sorted(path.name for path in (lab.home / "first-steps").glob("*/*.ipynb"))
    assert files == ["exercise.ipynb"] * 3, "a title is not a new name of the file"

    page.locator(".jp-CodeCell .cm-content").first.click()
    report(hub, "01-who-am-i/user", "02-processes-and-services/stop")
    page.keyboard.press("Shift+Enter")
    tabs(page).first.click()
    expect(course).to_contain_text("2 of 10 steps done")


def test_a_link_of_the_hub_s_home_page_opens_its_exercise(open_lab):
    page = open_lab("lab?exercise=first-steps/03-network")
    lifted(page)
    expect_tabs(page, "Course", "The network")
    expect(page.locator(".jp-Notebook")).to_be_visible()


def test_a_link_to_what_is_no_exercise_opens_nothing(open_lab):
    page = open_lab("lab?exercise=../../etc/passwd")
    lifted(page)
    expect_tabs(page, "Course")


def test_the_cover_stays_until_the_exercises_are_there(open_lab, lab):
    for path in sorted((lab.home / "first-steps").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (lab.home / RECORD).unlink()
    page = open_lab()
    page.clock.install()  # so that nothing but the exercises ends the wait
    cover = page.locator("#vmlab-cover")
    expect(cover.locator("[data-step=lab]")).to_have_attribute("data-state", "done")
    expect(cover.locator("[data-step=exercises]")).to_have_attribute("data-state", "current")
    shot(page, "course-cover")
    deliver(SOURCE, lab.home, "first-steps", 1)
    page.clock.run_for(5_000)
    lifted(page)
    expect(page.get_by_role("button", name="Who am I?", exact=True)).to_be_enabled()
    expect(page.locator(".jp-DirListing-item", has_text="first-steps")).to_be_visible()


def test_the_menu_lab_leads_to_all_and_a_hub_that_is_away_leaves_what_was_known(open_lab, hub):
    page = open_lab()
    lifted(page)
    page.locator("#jp-main-dock-panel .lm-TabBar-tabCloseIcon").first.click()
    expect(page.locator(".jp-LauncherCard").first).to_be_visible()
    page.get_by_role("menuitem", name="Lab", exact=True).click()
    items = page.locator("#vmlab-menu .lm-Menu-itemLabel")
    names = ["Course", "My Data", "Download My Home Folder", "Guide", "My Machines", "VMLab Home"]
    expect(items).to_have_text(names)
    shot(page, "course-menu")
    pages = {
        "My Data": "vmlab/data",
        "Guide": "vmlab/guide",
        "My Machines": "home#vm-machines",
        "VMLab Home": "home",
    }
    for name, path in pages.items():
        with page.expect_popup() as popup:
            items.filter(has_text=name).click()
        popup.value.wait_for_url(f"**/hub/{path}")
        page.get_by_role("menuitem", name="Lab", exact=True).click()
    items.filter(has_text="Course").click()
    course = page.locator(".vmlab-course")
    expect(course.locator("h1")).to_be_visible()

    hub.state.own = None  # 404
    page.clock.install()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(course.get_by_role("status")).to_contain_text("The hub does not answer")
    expect(course).to_contain_text("4 of 10 steps done")


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}}])
def test_in_french_and_on_a_small_screen(open_lab, lab, options):
    (lab.root / "run/vmlab/language").write_text("fr")
    settings = lab.home / ".jupyter/lab/user-settings/@jupyterlab/translation-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "plugin.jupyterlab-settings").write_text(json.dumps({"locale": "fr_FR"}))
    try:
        page = open_lab(locale="fr-FR", **options)
        expect(page.locator("#vmlab-cover")).to_contain_text("JupyterLab s'ouvre")
        lifted(page)
        course = page.locator(".vmlab-course")
        expect(course).to_contain_text("4 étapes sur 10")
        expect(course.get_by_role("heading", level=1)).to_have_text("Premiers pas")
        expect(
            page.get_by_role("button", name="Continuer ici : Processus et services")
        ).to_be_enabled()
        expect_tabs(page, "Cours")
        shot(page, f"course-page-fr-{(options.get('viewport') or {}).get('width', 1440)}")
    finally:
        (settings / "plugin.jupyterlab-settings").unlink()
