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


def tables() -> list[list[list[str]]]:
    """Return the rows of both tables of docs/words.md, without their heads."""
    text = (PROJECT / "docs/words.md").read_text()
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows.splitlines()[2:]]
        for rows in found
    ]


def table() -> list[list[str]]:
    """Return English, French, meaning and never of each word."""
    return tables()[0]


def phrases() -> list[str]:
    """Return what no code, comment or document says."""
    return [phrase for never, _ in tables()[1] for phrase in never.split(", ")]


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


def test_no_code_comment_or_document_has_a_phrase_that_is_ruled_out():
    never = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, phrases()))})(?![\w-])")
    words = ["git", "ls-files", "*.py", "*.js", "*.mjs", "*.html", "*.md", "*.sh", "scripts"]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    names = [n for n in listed.stdout.split() if n not in HISTORY and "/fuzz/c" not in n]
    assert len(names) > 800
    found = [
        f"{name}:{number}: {match[0]}"
        for name in names
        if (PROJECT / name).is_file() and name != "tests/unit/repository/test_words.py"
        for number, line in enumerate((PROJECT / name).read_text().splitlines(), 1)
        if (match := never.search(line))
    ]
    assert found == []


def test_each_phrase_has_what_to_say_instead():
    rows = tables()[1]
    assert len(rows) > 10
    assert [row for row in rows if len(row) != 2 or not all(row)] == []


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
