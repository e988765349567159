"""French that people read has a narrow no-break space where French has one, never a plain one.

Before ; : ! ? and » and after «. In sources it stands as itself or as `\\u202f`. With a plain space
the sign may begin the next line.
"""

from __future__ import annotations

import re

import pytest

from unit.repository.shown_texts import PROJECT, SOURCES

PLAIN = re.compile(r"(?<=\S)[ \u00a0][;:!?»](?=[\s.,)<]|$)|«[ \u00a0]")
JUPYTERHUB = "'s server : "  # in its log


def plain_spaces(kind: str) -> list[str]:
    read, files = SOURCES[kind]
    found = []
    for file in sorted(files):
        for number, text in read(file):
            if not text.endswith(JUPYTERHUB) and (
                match := PLAIN.search(re.sub(r"`[^`]*`", "`x`", text))
            ):
                where = f"{file.relative_to(PROJECT)}:{number}"
                found.append(f"{where}: ...{text[max(0, match.start() - 30) : match.end() + 10]}")
    return found


@pytest.mark.parametrize("kind", SOURCES)
def test_no_plain_space_stands_before_a_french_sign(kind):
    assert plain_spaces(kind) == []


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_read_for_this_is_the_french(kind):
    read, files = SOURCES[kind]
    texts = [text for file in files for _, text in read(file)]
    narrow = [text for text in texts if "\u202f" in text or "\\u202f" in text]
    assert narrow


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("Perdu ; réessayez", True),
        ("Perdu\u202f; réessayez", False),
        ("Perdu\u00a0: réessayez", True),
        ("« Restaurer »", True),
        ("«\u202fRestaurer\u202f»", False),
        ("Who? Now: this; that!", False),
        ("et vous ?", True),
        ("a :b", False),
    ],
)
def test_what_is_a_plain_space(text, is_wrong):
    assert bool(PLAIN.search(text)) == is_wrong
