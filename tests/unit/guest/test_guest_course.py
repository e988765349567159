"""What the machine adds to the hub's courses; and the page before JupyterLab."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

import vmlab_guest
from vmlab_guest.course_handlers import locate_notebooks
from vmlab_guest.courses.record import RECORD
from vmlab_guest.cover import add_cover, cover_page
from vmlab_guest.hub import HubError

OUTLINE = {
    "courses": [
        {"name": "first", "title": {"en": "F", "fr": "P"},
         "exercises": [{"folder": "01", "title": {}, "steps": []}, {"folder": "02", "steps": []}]}
    ],
    "current": {"course": "first", "exercise": "01"},
}  # fmt: skip


def test_notebooks_are_where_they_are(tmp_path):
    (tmp_path / "first/01").mkdir(parents=True)
    (tmp_path / "first/01/exercise.ipynb").write_text("{}")
    found = locate_notebooks(OUTLINE, tmp_path)
    (course,) = found["courses"]
    assert [e["notebook"] for e in course["exercises"]] == ["first/01/exercise.ipynb", ""]
    assert course["delivered"] is False, "a file alone is not a delivery"
    assert found["current"] == OUTLINE["current"]
    (tmp_path / RECORD).parent.mkdir(parents=True)
    (tmp_path / RECORD).write_text(json.dumps({"courses": {"first": {}}}))
    assert locate_notebooks(OUTLINE, tmp_path)["courses"][0]["delivered"] is True


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, {"courses": 1, "current": None}, {"courses": [{}], "current": None},
        {"courses": [{"name": "../x", "exercises": []}], "current": None},
        {"courses": [{"name": "x", "exercises": [{"folder": "../../etc"}]}], "current": None},
        {"courses": [{"name": "x", "exercises": [{"folder": 7}]}], "current": None},
        {"courses": [{"name": "x", "exercises": [[]]}], "current": None},
    ],
)  # fmt: skip
def test_an_answer_that_breaks_its_format_is_an_error_of_the_hub(tmp_path, answer):
    with pytest.raises(HubError):
        locate_notebooks(answer, tmp_path)


def test_the_cover_begins_the_page_in_the_language_of_that_moment():
    pages = Environment(
        loader=DictLoader(
            {"index.html": '<head></head><body class="a">{{ x }}</body>', "o": "<body>"}
        ),
        autoescape=True,
    )
    spoken = iter(("en", "fr"))
    cover_page(pages, lambda: next(spoken))
    english = pages.get_template("index.html").render(x="<i>")
    before, _, _ = english.partition('<div id="vmlab-cover"')
    assert before.split() == ["<head></head><body", 'class="a">']
    assert "&lt;i&gt;" in english
    assert "JupyterLab is opening" in english
    assert "JupyterLab s&#39;ouvre" in pages.get_template("index.html").render()
    assert pages.get_template("o").render() == "<body>"


def test_the_cover_asks_for_nothing():
    """It is to be drawn at once: no file of its own, its script stands in the page."""
    pages = Environment(loader=DictLoader({"index.html": "<body></body>"}), autoescape=True)
    cover_page(pages, lambda: "en")
    found = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.extend(value for name, value in attrs if name in {"src", "href"})

    page = pages.get_template("index.html").render()
    Links().feed(page)
    assert found == []
    script = Path(vmlab_guest.__file__).with_name("cover.js").read_text().strip()
    assert f"<script>\n{script}\n  </script>" in page


def test_a_page_without_a_body_stays_as_it_is():
    assert add_cover("<p>", "<cover>") == "<p>"
    assert add_cover("<body>x<body>", "<cover>") == "<body><cover>x<body>"
