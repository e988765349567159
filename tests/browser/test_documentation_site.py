"""The documentation site: complete, strict, and readable without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect

from browser.barriers import find_violations

PROJECT = Path(__file__).parents[2]


def build_site(
    source: Path, target: Path, builder: str = "html"
) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-c",
        str(PROJECT / "docs"),
    ]
    words += ["-b", builder, str(source), str(target)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build_site(PROJECT, target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def pages(site) -> dict[str, BeautifulSoup]:
    """All pages as a browser parses them, by their names."""
    files = [f for f in site.rglob("*.html") if "_static" not in f.parts]
    return {str(f.relative_to(site)): BeautifulSoup(f.read_text(), "html5lib") for f in files}


def test_every_document_is_a_page_that_the_navigation_leads_to(pages):
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    documents = {name for name in listed.stdout.split() if (PROJECT / name).exists()}
    assert {name.removesuffix(".md") + ".html" for name in documents} <= pages.keys()
    links = pages["README.html"].select(".sidebar-tree a.reference")
    led_to = {link["href"] for link in links} | {"README.html"}
    assert {name.removesuffix(".md") + ".html" for name in documents} <= led_to


def test_nothing_is_loaded_from_another_host(site, pages):
    loaded = {
        (name, element[attribute])
        for name, page in pages.items()
        for tag, attribute in (
            ("script", "src"),
            ("link", "href"),
            ("img", "src"),
            ("iframe", "src"),
        )
        for element in page.find_all(tag, attrs={attribute: True})
    }
    assert len(loaded) > 100
    assert [(name, url) for name, url in loaded if urlsplit(url).netloc] == []
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text().replace("'", "").replace('"', ""), sheet
        assert "@import" not in sheet.read_text(), sheet


def test_every_link_and_anchor_leads_somewhere(site, pages):
    ids = {name: {e["id"] for e in page.find_all(id=True)} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme or url.netloc:
                continue
            target = (site / name).parent / unquote(url.path) if url.path else site / name
            found = str(target.resolve().relative_to(site.resolve()))
            anchored = not url.fragment or found not in ids or unquote(url.fragment) in ids[found]
            if not target.exists() or not anchored:
                broken.append((name, link["href"]))
    assert broken == []


FAULTS = {
    "link": ("[there](nothing.md)", "nothing.md"),
    "anchor": ("[there](docs/words.md#no-such-heading)", "no-such-heading"),
    "own anchor": ("[there](#no-such-heading)", "no-such-heading"),
    "picture": ("![A picture](docs/pictures/nothing.png)", "nothing.png"),
}


def test_what_leads_nowhere_ends_the_build(tmp_path):
    for name in ("README.md", "docs/words.md"):  # what is needed for the faults
        copy = tmp_path / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, copy)
    # One build for all faults: each is in a file of its own, which is in no navigation either.
    for name, (text, _) in FAULTS.items():
        (tmp_path / "source" / f"{name.replace(' ', '-')}.md").write_text(f"# A page\n\n{text}\n")
    done = build_site(tmp_path / "source", tmp_path / "site", builder="dummy")  # writes no pages
    assert done.returncode != 0
    for name, (_, said) in FAULTS.items():
        lines = [s for s in done.stderr.splitlines() if f"/{name.replace(' ', '-')}.md" in s]
        assert any(said in line for line in lines), (name, done.stderr)
        assert any("toctree" in line for line in lines), (name, done.stderr)


def test_french_sections_say_their_language(pages):
    guide = pages["docs/trainee.html"]
    sections = {s["id"]: s.get("lang") for s in guide.select("section section")}
    assert sections == {"francais": "fr", "english": "en"}


@pytest.mark.parametrize(("words", "page"), [("quarantine", "operator"), ("encadrant", "trainee")])
def test_the_search_works_without_a_network(site, new_page, words, page):
    tab = new_page()
    tab.context.set_offline(offline=True)
    tab.goto((site / "index.html").as_uri())
    tab.wait_for_url("**/README.html")
    tab.get_by_role("textbox", name="Search").fill(words)
    tab.keyboard.press("Enter")
    expect(tab.locator(f"#search-results a[href*='docs/{page}.html']").first).to_be_visible()


def test_no_page_is_wider_than_a_phone(site, pages, new_page):
    tab = new_page(viewport={"width": 390, "height": 844})
    wide = []
    for name in sorted(pages.keys() - {"index.html"}):  # which leads on at once
        tab.goto((site / name).as_uri())
        if tab.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(name)
    assert wide == []


@pytest.mark.parametrize(
    ("name", "theme"),
    [
        ("README.html", "dark"),
        ("docs/trainee.html", "light"),  # both languages
        ("docs/operator.html", "light"),  # wide tables and code
        ("search.html", "dark"),
    ],
)
def test_there_is_no_barrier_on_a_page(site, new_page, name, theme):
    tab = new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    tab.emulate_media(reduced_motion="reduce")
    tab.goto((site / name).as_uri())
    assert "\n".join(find_violations(tab)) == ""
