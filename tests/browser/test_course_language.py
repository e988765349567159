"""One language of a course is shown and the other one is a button away, in the real JupyterLab."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from browser.conftest import shot
from browser.machine_lab import TOKEN, LabServer, run_lab
from fakes.small_hub import SmallHub
from fakes.waiting import wait_until
from hub.running_hub import PROJECT
from lab.outcome import Outcome
from lab.show import Shown, make_card
from vmlab_guest.language import change_language
from vmlab_guest.system import LinuxSystem
from vmlab_protocol.notices import Language

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EXERCISE = PROJECT / "notebooks/first-steps/01-who-am-i/exercise.ipynb"
TITLES = {
    "en": ("Who am I?", "1. Your user and your machine"),
    "fr": ("Qui suis-je ?", "1. Votre utilisateur et votre machine"),
}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
LOCALE = "@jupyterlab/translation-extension:plugin"


def text_cell(source: str, number: int) -> dict:
    return {"cell_type": "markdown", "id": f"text-{number}", "metadata": {}, "source": source}


def result_cell(html: str) -> dict:
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
    cell = {"cell_type": "code", "id": "result", "metadata": {}, "source": "check('user')"}
    return {**cell, "execution_count": 1, "outputs": [output]}


ENGLISH = """\
<div lang="en">

# Both

```html
</div><div lang="fr">
```

## Below

</div>
<hr>
"""
FRENCH = """\
<div lang="fr">

# Les deux

<div class="x">

## Dessous

</div>
</div>

## Bottom
"""
ODD = [
    "# Only one language\n\nNo division at all.",
    '<div lang="en">\n\n# English only\n\n</div>',
    ENGLISH + FRENCH,
]


@pytest.fixture(scope="module")
def hub() -> Iterator[SmallHub]:
    with SmallHub() as running:
        yield running


@pytest.fixture(scope="module")
def lab(tmp_path_factory, hub) -> Iterator[LabServer]:
    with run_lab(tmp_path_factory.mktemp("lab"), **hub.env) as running:
        hub.state.on_language = lambda said: speak(running, said)
        yield running


def speak(lab: LabServer, language: str) -> None:
    """Do what the agent does when the hub tells it."""
    agent = LinuxSystem()
    agent.root = lab.root
    change_language(agent, {"language": language})


@pytest.fixture
def notebook(lab, hub, new_page):
    """Open a notebook in a machine that speaks this language."""

    def open_notebook(
        language: str, name: str, texts: list[str] | None = None, result: str = "", **options
    ):
        speak(lab, language)
        place = lab.root / "home/trainee" / name
        if texts is None:
            shutil.copy(EXERCISE, place)
        else:
            made = [text_cell(source, number) for number, source in enumerate(texts)]
            made += [result_cell(result)] if result else []
            place.write_text(
                json.dumps({"cells": made, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5})
            )
        page = new_page(locale="fr-FR" if language == "fr" else "en-GB", **options)
        page.goto(f"{lab.url}lab/tree/{name}?reset&token={TOKEN}")
        wait_for_text(page)
        return page

    hub.state.languages.clear()
    return open_notebook


def wait_for_text(page) -> None:
    expect(headings(page).first).to_be_visible()


def wait_for_reload(page, language: str) -> None:
    """Return when JupyterLab itself speaks this language."""
    expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
    wait_for_text(page)


def sources(place) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(place.read_text())["cells"]]


def contents(page):
    """Open the contents panel and return its entries."""
    if not page.locator(".jp-TableOfContents").is_visible():
        page.keyboard.press("Control+Shift+K")
    return page.locator(".jp-TableOfContents .jp-tocItem")


def headings(page):
    return page.locator(".jp-MarkdownOutput :is(h1, h2):visible")


def test_one_language_is_shown_the_other_is_a_button_away_and_an_edit_stays(lab, hub, notebook):
    page = notebook("fr", "switch.ipynb")
    expect(headings(page).first).to_contain_text(TITLES["fr"][0])
    assert TITLES["en"][0] not in page.locator(".jp-Notebook").inner_text()
    expect(page.locator(".jp-MarkdownOutput > hr:visible")).to_have_count(0)
    entries = contents(page)
    expect(entries).to_have_count(4)
    expect(entries.nth(1)).to_contain_text(TITLES["fr"][1])
    shot(page, "course-fr")
    page.get_by_role("button", name="English").focus()
    page.keyboard.press("Enter")
    expect(headings(page).first).to_contain_text(TITLES["en"][0])
    expect(entries.nth(1)).to_contain_text(TITLES["en"][1])
    expect(entries).to_have_count(4)
    hub.wait_for(lambda state: state.languages == [{"language": "en"}])
    page.get_by_role("button", name="Reload the page").click()
    wait_for_reload(page, "en")
    expect(headings(page).first).to_contain_text(TITLES["en"][0])
    shot(page, "course-fr-to-en")
    place = lab.root / "home/trainee/switch.ipynb"
    assert sources(place) == sources(EXERCISE)

    page.locator(".jp-MarkdownOutput").first.click()
    page.keyboard.press("Enter")
    expect(page.locator(".jp-MarkdownCell .cm-content").first).to_be_focused()
    page.keyboard.press("Control+Home")
    page.keyboard.type("My own words. ")
    page.get_by_role("button", name="Français").click()
    page.get_by_role("button", name="Recharger la page").click()
    wait_for_reload(page, "fr")
    assert sources(place)[0].startswith("My own words. ")


def test_what_is_in_one_language_only_is_always_shown_and_a_result_is_switched(notebook):
    shown = Shown("user", Outcome(passed=False, en="Ask the machine.", fr="Demandez-lui."))
    page = notebook("fr", "odd.ipynb", ODD, result=make_card(shown, Language.FR))
    titles = ["Only one language", "English only", "Les deux", "Dessous", "Bottom"]
    expect(headings(page)).to_have_count(len(titles))
    expect(contents(page)).to_have_count(len(titles))
    for number, title in enumerate(titles):
        expect(headings(page).nth(number)).to_contain_text(title)
        expect(contents(page).nth(number)).to_contain_text(title)

    output = page.locator(".jp-OutputArea-output")
    expect(output).to_contain_text("Pas encore", use_inner_text=True)
    expect(output).not_to_contain_text("Ask the machine.", use_inner_text=True)
    page.get_by_role("button", name="English").click()
    expect(output).to_contain_text("Not yet", use_inner_text=True)
    expect(output).not_to_contain_text("Demandez-lui.", use_inner_text=True)


def test_an_open_page_follows_the_hub_and_is_switched_without_it_too(lab, hub, notebook):
    page = notebook("en", "followed.ipynb")
    expect(headings(page).first).to_contain_text(TITLES["en"][0])
    speak(lab, "fr")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # who comes back to it
    expect(headings(page).first).to_contain_text(TITLES["fr"][0])
    expect(page.get_by_role("button", name="Recharger la page")).to_be_visible()
    other = page.get_by_role("button", name="English")
    expect(other).to_be_visible()

    hub.state.fail_posts = 1  # the page's look at the course may still be under way
    other.click()
    expect(headings(page).first).to_contain_text(TITLES["en"][0])
    expect(page.locator(".Toastify__toast", has_text="could not be saved")).to_be_visible()
    assert hub.state.languages == []


def test_a_word_of_the_machine_from_before_a_choice_takes_nothing_back(hub, notebook):
    page = notebook("en", "late.ipynb")
    page.evaluate(
        "window.seen = []; document.addEventListener('vmlab-language', e => seen.push(e.detail))"
    )
    late = []  # answers of the machine, which the network holds up

    def hold(route) -> None:
        if hub.state.languages:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/vmlab/notices?*", hold)
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    with page.expect_request("**/vmlab/notices?*"):
        page.evaluate(look)
    page.get_by_role("button", name="Français").click()
    page.get_by_role("button", name="Recharger la page").wait_for()  # the hub has it
    for route, answer in late:
        with page.expect_response("**/vmlab/notices?*"):
            route.fulfill(response=answer)
    with page.expect_response("**/vmlab/notices?*") as later:
        page.evaluate(look)
    assert later.value.json()["language"] == "fr"
    assert late
    assert page.evaluate("seen") == ["fr"]


def test_jupyterlab_s_own_menu_makes_the_same_choice(lab, hub, notebook):
    settings = f"lab/api/settings/{LOCALE}"
    lab.put(settings, {"raw": json.dumps({"locale": "fr_FR"})})  # as the menu does, and reloads
    page = notebook("en", "menu.ipynb")
    hub.wait_for(lambda state: state.languages == [{"language": "fr"}])
    expect(page.get_by_role("button", name="English")).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.vmlabLanguage === 'fr'")
    own = lab.root / "home/trainee/.jupyter/lab/user-settings" / LOCALE.replace(":", "/")
    wait_until(lambda: "fr_FR" not in own.with_suffix(".jupyterlab-settings").read_text())
    assert lab.get("lab").ok  # at the next load of a page
    schema = lab.get(settings).json()["schema"]
    assert schema["properties"]["locale"]["default"] == "fr_FR"


def test_the_button_has_room_on_a_small_screen(lab, new_page):
    speak(lab, "fr")
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{lab.url}lab?reset&token={TOKEN}")
    expect(page.get_by_role("button", name="English")).to_be_in_viewport(ratio=1)
    shot(page, "course-fr-390")


def test_only_known_languages_and_only_whoever_may_use_the_server(lab, hub):
    hub.state.languages.clear()
    assert lab.post("vmlab/language", {"language": "de"}).status_code == 400
    assert lab.post("vmlab/language", ["fr"]).status_code == 400
    assert lab.post("vmlab/language", {"language": "fr"}, token="").status_code == 403
    assert hub.state.languages == []
