"""Positions of keys: examples that a person writes, and a property over whole documents."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmlab.lab.toml_lines import KeyPath, find_lines

DOCUMENT = '''# a comment with [brackets] and = signs
title = "one # not a comment"

[machine]   # trailing
cpus = 2
when = 1979-05-27 07:32:00
dotted . "quoted.key" = { a = 1, b = [1,
   2, # two
   3] }
text = """
[not a table]
x = 1\\"""
"""""
[[exercise]]
folder = 'C:\\'
[[exercise.step]]
name = "a"
[[exercise.step]]
name = "b"
[[exercise]]
folder = "y"
[[exercise.step]]
name = "c"
'''


def all_paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= all_paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= all_paths(inner, (*path, number))
    return found


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("machine",), 4),
        (("machine", "cpus"), 5),
        (("machine", "when"), 6),
        (("machine", "dotted", "quoted.key", "a"), 7),
        (("machine", "dotted", "quoted.key", "b", 1), 8),
        (("machine", "dotted", "quoted.key", "b", 2), 9),
        (("machine", "text"), 10),
        (("exercise", 0, "folder"), 15),
        (("exercise", 0, "step", 1, "name"), 19),
        (("exercise", 1, "step", 0, "name"), 23),
    ],
)
def test_each_key_has_its_line(path: KeyPath, line: int) -> None:
    assert find_lines(DOCUMENT)[path] == line


def test_line_ends_of_windows_count_once() -> None:
    assert find_lines(DOCUMENT.replace("\n", "\r\n")) == find_lines(DOCUMENT)


def test_finds_the_keys_that_tomllib_finds() -> None:
    assert set(find_lines(DOCUMENT)) == all_paths(tomllib.loads(DOCUMENT))


keys = st.one_of(
    st.from_regex(r"[a-z0-9_-]{1,4}", fullmatch=True),
    st.text("ab \"\\'.#=]\n", min_size=1, max_size=4).map(
        lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    ),
    st.text('ab "\\.#=]', min_size=1, max_size=4).map(lambda t: f"'{t}'"),
)
blanks = st.sampled_from(["", " ", "\t ", "  "])
line_blanks = st.sampled_from(["", " ", "\n", " # ] } , x = 1\n  "])
scalars = st.one_of(
    st.sampled_from(["1", "true", "-inf", "1979-05-27", "1979-05-27 07:32:00Z", "0xf"]),
    st.sampled_from(['""', '"#"', "'\\'", '"\\\\"', '"""\n[a]\n"""', "'''\\'''", '"""a\\"""""""']),
)


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    elements = st.lists(st.tuples(line_blanks, inner, line_blanks).map("".join), max_size=3)
    return st.tuples(elements, line_blanks).map(lambda t: f"[{','.join(t[0])}{t[1]}]")


def inline_tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(keys, inner).map(" = ".join), max_size=3)
    return pairs.map(lambda p: "{ " + ", ".join(p) + " }")


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)
dotted = st.lists(keys, min_size=1, max_size=3).flatmap(
    lambda names: blanks.map(lambda blank: f"{blank}.{blank}".join(names))
)
statements = st.one_of(
    st.tuples(blanks, dotted, blanks, st.just("="), blanks, values, blanks).map("".join),
    dotted.map(lambda k: f"[{k}]"),
    dotted.map(lambda k: f"[[ {k} ]]"),
    st.sampled_from(["", "# x = 1", "  "]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(statements, max_size=8).map("\n".join))
def test_same_keys_as_tomllib_in_any_valid_document(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = find_lines(text)
    assert set(lines) == all_paths(expected)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
