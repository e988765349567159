"""Documents and notebooks name buttons, pages and menus as those are called, in both languages.

In a document a name is in italics and begins with a capital letter: *Start my machine*. A way
through a menu has commas: *File, New, Terminal*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.words import PHRASES
from narval.notebook import words as narval_words

PROJECT = Path(__file__).parents[3]
PAGES = PROJECT / "spawner" / "vmlab" / "web" / "pages"
LABEXTENSIONS = PROJECT / "images" / "guest"
DOCUMENTS = [
    PROJECT / "README.md",
    *(
        PROJECT / "docs" / f"{name}.md"
        for name in ("trainee", "facilitator", "trainer", "operator")
    ),
    *sorted((PROJECT / "notebooks").glob("*/*/*.ipynb")),
]
JUPYTERLAB = {("Lab", "Lab"), ("File", "Fichier"), ("New", "Nouveau"), ("Terminal", "Terminal")}
NO_NAMES = {"FWHM"}  # of a quantity, in italics too

CALL = re.compile(r"\b(?:t|page_title|stage)\((.*?)\)\s*\}\}", re.DOTALL)
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"|`([^`]*)`')
NAME = re.compile(r"(?<![*\w])\*([^\W\d_a-z][^*`]*?)\*(?![*\w])")


def texts(source: str) -> list[str]:
    """All texts of a piece of a script or template; what is put into one is an ellipsis."""
    found = (re.sub(r"\$\{[^}]*\}", "…", a or b) for a, b in TEXT.findall(source))
    return [text.encode().decode("unicode_escape") if "\\u" in text else text for text in found]


def pairs_of_templates() -> Iterator[tuple[str, str]]:
    for template in sorted((PAGES / "templates").glob("*.html")):
        for call in CALL.findall(template.read_text()):
            if len(words := texts(call)) >= 2:
                yield words[-2], words[-1]


def words_of_scripts() -> Iterator[tuple[list[str], list[str]]]:
    for script in [
        *(PAGES / "static").glob("*.js"),
        *LABEXTENSIONS.glob("labextension*/static/*.js"),
    ]:
        blocks = re.findall(
            r"^( *)en: \{(.*?)^\1fr: \{(.*?)^\1\}", script.read_text(), re.DOTALL | re.MULTILINE
        )
        for _, english, french in blocks:
            yield texts(english), texts(french)


def known() -> dict[str, set[str]]:
    """All that is on a page, in English and in French."""
    pairs = [*pairs_of_templates(), *JUPYTERLAB, *PHRASES.values(), *narval_words.PHRASES.values()]
    found = {"en": {en for en, _ in pairs}, "fr": {fr for _, fr in pairs}}
    for english, french in words_of_scripts():
        found["en"].update(english)
        found["fr"].update(french)
    # "Go on …": the ellipsis says that a question follows, and no document repeats it.
    return {
        # As `names` has them: with plain spaces, also before a French sign.
        lang: {" ".join(w.removesuffix("…").split()).casefold() for w in words}
        for lang, words in found.items()
    }


def paragraphs(document: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each part of a document."""
    text = document.read_text()
    if document.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "markdown":
                yield "", "".join(cell["source"])
        return
    language = "en"
    for part in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        language = {"## Français": "fr", "## English": "en"}.get(part.split("\n", 1)[0], language)
        yield language, part


def names(text: str) -> list[str]:
    """What a document calls by name, one of a menu after the other."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    found = [" ".join(name.split()) for name in NAME.findall(prose)]
    return [part for name in found for part in name.split(", ") if name not in NO_NAMES]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_a_document_names_is_there(document):
    words = known()
    either = words["en"] | words["fr"]
    unknown = [
        f"{language or 'en or fr'}: {name}"
        for language, text in paragraphs(document)
        for name in names(text)
        if name.removesuffix("…").strip().casefold()
        not in (words[language] if language else either)
    ]
    assert unknown == []


def test_a_name_that_is_nowhere_would_be_found():
    assert names("Press *Start my\nmachine*, not *this*; `*No*`. *File, New*") == [
        "Start my machine",
        "File",
        "New",
    ]
    assert "start my machine" in known()["en"]
    assert "démarrer ma machine" in known()["fr"]
    assert "démarrer ma machine" not in known()["en"]
