"""docs/words.md is kept: nobody reads a word that it rules out, in either language."""

from __future__ import annotations

import re
import subprocess

import pytest

from unit.repository.shown_texts import PROJECT, SOURCES

HISTORY = {"CHANGELOG.md", "docs/words.md"}  # the second names them
# Solutions are recognised by what trainers call them, whatever that is.
EXCEPT = {"spawner/vmlab/courses/review.py"}
# How code names documents.
NAMES = r"\bdocs/[a-z/0-9-]+\.md\b|\b[A-Z_]{4,}\.md\b|\b[Dd]ecisions?[/ ][0-9]+"
ELSEWHERE = {"GIDS.md"}  # of systemd: UIDS-GIDS.md


def table() -> list[list[str]]:
    """Return the rows of docs/words.md: English, French, meaning, never."""
    lines = (PROJECT / "docs/words.md").read_text().splitlines()
    rows = [[cell.strip() for cell in s.split("|")[1:-1]] for s in lines if s.startswith("| ")]
    return rows[2:]  # without the head


def never() -> list[str]:
    return [word.strip() for row in table() for word in re.split(r"[;,]", row[3]) if word.strip()]


NEVER = re.compile(rf"\b({'|'.join(never())})s?\b", re.IGNORECASE)


def ruled_out(texts) -> list[str]:
    found = []
    for file, number, text in texts:
        where = str(file.relative_to(PROJECT))
        if where not in EXCEPT and (match := NEVER.search(text)):
            found.append(f"{where}:{number}: {match[0]}")
    return found


@pytest.mark.parametrize("kind", SOURCES)
def test_no_text_has_a_word_that_is_ruled_out(kind):
    read, files = SOURCES[kind]
    assert ruled_out((file, n, text) for file in files for n, text in read(file)) == []


def test_no_document_has_a_word_that_is_ruled_out():
    words = ["git", "ls-files", "*.md"]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    files = [PROJECT / name for name in listed.stdout.split() if name not in HISTORY]
    assert len(files) > 30
    lines = [(f, n, line) for f in files for n, line in enumerate(f.read_text().splitlines(), 1)]
    assert ruled_out(lines) == []


def test_each_word_has_its_french_and_its_meaning():
    rows = table()
    assert len(rows) > 25
    assert [row for row in rows if len(row) != 4 or not all(row[:3])] == []
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == len(rows)
    kept = {word for row in rows for cell in row[:2] for word in re.split(r"[,;] ", cell)}
    assert kept & set(never()) == set()
    assert {"facilitateur", "home directory"} <= set(never())


@pytest.mark.parametrize(
    "text", ["Appelez un facilitateur.", "Two students", "répertoire personnel"]
)
def test_what_is_ruled_out_is_found(text):
    assert NEVER.search(text)


def test_documents_that_the_code_names_exist():
    listed = subprocess.run(
        ["git", "grep", "-h", "-o", "-E", NAMES, "--", "*.py", "*.js", "*.mjs", "*.html"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    named = set(listed.stdout.split("\n")) - {"", *ELSEWHERE}
    assert len(named) > 10
    assert sorted(name for name in named if not exists(name)) == []


def exists(name: str) -> bool:
    if number := re.search(r"decisions?[/ ](\d+)", name, re.IGNORECASE):
        return bool(list((PROJECT / "docs/decisions").glob(f"{int(number[1]):04d}-*.md")))
    return (PROJECT / name).exists() or (PROJECT / "docs" / name).exists()
