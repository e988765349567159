"""The guide for trainees as a page: docs/trainee.md, one language at a time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

_LANGUAGES = {"English": "en", "Français": "fr"}
_PICTURE = re.compile(r"^!\[.*$", re.MULTILINE)  # it is beside the document, not in the hub


@dataclass(frozen=True)
class Guide:
    """The guide as HTML, without its heading."""

    en: str
    fr: str


def make_guide(text: str) -> Guide:
    """Return the guide in a document that has one section for each language.

    Raises:
        ValueError: a language is missing.
    """
    markdown = MarkdownIt("commonmark", {"html": False})
    sections = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if language := _LANGUAGES.get(heading.strip()):
            sections[language] = markdown.render(_PICTURE.sub("", body))
    if missing := set(_LANGUAGES.values()) - sections.keys():
        raise ValueError(f"the guide has no section in {', '.join(sorted(missing))}")
    return Guide(**sections)
