"""The documentation site: every document of the repository as a page (`make docs`).

The source folder is the repository, so that links work there and on the site alike; README.md is
the front page. scripts/docs builds strictly: a page outside the navigation, a link or an anchor
that leads nowhere and a missing picture are failures. Nothing is loaded from other hosts, and the
search runs in the browser.
"""

# ref: https://www.sphinx-doc.org/en/master/usage/configuration.html
from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

from vmlab import __version__

project = "VMLab"
release = __version__
language = "en"
root_doc = "README"
include_patterns = ["**.md"]
exclude_patterns = [".?*", "node_modules", "artifacts", "build"]

extensions = ["myst_parser"]
nitpicky = True
myst_heading_anchors = 6  # anchors made as forges make them

html_theme = "furo"
html_title = project
html_additional_pages = {"index": "index.html"}  # leads to the front page
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # they are fetched, which a site opened from a folder may not do
templates_path = ["_templates"]

# The navigation: page: (caption, pages).
_NAVIGATION = {
    "README": [
        (
            "People",
            [
                "docs/trainee",
                "docs/facilitator",
                "docs/trainer",
                "docs/rehearsal",
                "docs/operator",
            ],
        ),
        (
            "Reference",
            [
                "docs/words",
                "docs/protocols",
                "docs/performance",
                "SECURITY",
                "tests/attacks/results",
            ],
        ),
        (
            "Courses and images",
            [
                "notebooks/README",
                "labs/farm/README",
                "images/README",
                "images/guest/README",
                "protocol/README",
            ],
        ),
        (
            "Acquisition",
            ["docs/acquisition", "images/narval/README", "images/narval/template/README"],
        ),
        ("Development", ["CONTRIBUTING", "docs/providers", "docs/decisions/README", "CHANGELOG"]),
    ],
    "docs/decisions/README": [("", ["[0-9]*"])],
}
_LANGUAGES = {"English": "en", "Français": "fr"}  # headings of the languages' sections


def add_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    """Add to a page the list of those below it; a forge would show this as its source."""
    for caption, pages in _NAVIGATION.get(name, []):
        options = ":hidden:\n:glob:\n" + (f":caption: {caption}\n" if caption else "")
        source[0] += f"\n\n```{{toctree}}\n{options}\n" + "\n".join(pages) + "\n```\n"


def mark_languages(_app: Sphinx, document: nodes.document) -> None:
    """Give a section that is headed by a language's name that language, for screen readers."""
    for section in document.findall(nodes.section):
        if language := _LANGUAGES.get(section[0].astext()):
            section["classes"].append(f"language-{language}")


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", mark_languages)
