"""No script stands in a page: it would be read by no linter and no type checker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

PROJECT = Path(__file__).parents[3]
PAGES = [
    page
    for folder in ("spawner", "images/guest", "images/recipes", "docs")
    for page in sorted((PROJECT / folder).rglob("*.html"))
]
INCLUDED = re.compile(r"""\s*\{% include "vmlab-cover\.js" %\}\s*""")


def inline(page: str) -> list[str]:
    """What a page runs: scripts of its own, handlers of events, addresses that run."""
    document = BeautifulSoup(page, "html5lib")
    scripts = [each.string or "" for each in document.find_all("script", src=False)]
    attributes = [
        f"{name}={value}"
        for element in document.find_all(True)
        for name, value in element.attrs.items()
        if name.startswith("on") or str(value).strip().lower().startswith("javascript:")
    ]
    return [each for each in scripts if not INCLUDED.fullmatch(each)] + attributes


def test_all_pages_are_found():
    assert {"page.html", "cover.html", "index.html"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_runs_is_in_files_of_its_own(page):
    assert inline(page.read_text()) == []


@pytest.mark.parametrize(
    "page",
    [
        "<script>run()</script>",
        "<script type=module>import 'x'</script>",
        "<button onclick='run()'>",
        "<a href=' JavaScript:run()'>",
        "{% block x %}<script>{% include 'other' %}</script>{% endblock %}",
    ],
)
def test_a_script_in_a_page_is_found(page):
    (found,) = inline(page)
    assert any(word in found for word in ("run()", "import", "include"))


def test_what_is_elsewhere_is_none():
    assert inline('<script src="x.js"></script><a href="javascript.html">on</a>') == []
