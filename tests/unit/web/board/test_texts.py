"""The pages say everything in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

import vmlab.web.pages

PAGES = Path(vmlab.web.pages.__file__).parent
TEMPLATES = sorted(p.name for p in (PAGES / "templates").glob("*.html"))
CALL = re.compile(r"""\b(?:t|page_title|stage)\((.*?)\)\s*\}\}""", re.DOTALL)
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


WORDLESS = {"404.html", "vmlab_course.html", "vmlab_text.html"}


def texts(path: Path) -> list[list[str]]:
    return [TEXT.findall(call) for call in CALL.findall(path.read_text())]


@pytest.mark.parametrize("name", [n for n in TEMPLATES if n not in WORDLESS])
def test_each_text_of_a_template_has_both_languages(name):
    found = texts(PAGES / "templates" / name)
    assert found
    for words in found:
        english, french = words[-2:]
        assert english.strip()
        assert french.strip()
        # What is spelt alike in both would be a forgotten translation.
        assert english != french, words


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_valid(name):
    loader = FileSystemLoader(PAGES / "templates")
    Environment(loader=loader, autoescape=True).get_template(name)


SCRIPTS = sorted(p.name for p in (PAGES / "static").glob("*.js") if "chooser({" in p.read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_have_the_same_texts_in_both_languages(script):
    source = (PAGES / "static" / script).read_text()
    english = source[source.index("  en: {") : source.index("  fr: {")]
    french = source[source.index("  fr: {") : source.index("\n});")]
    keys = re.compile(r"^ {4,}([a-zA-Z]+):", re.MULTILINE)
    assert keys.findall(english)
    assert keys.findall(english) == keys.findall(french)


def test_nothing_is_ever_put_into_a_page_as_html():
    for script in (PAGES / "static").glob("*.js"):
        source = script.read_text()
        for dangerous in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert dangerous not in source, script.name
