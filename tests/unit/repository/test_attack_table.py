"""Every promise of SECURITY.md is attacked by a test, and every attack is on such a promise."""

from __future__ import annotations

import re
from pathlib import Path

from attacks.promises import all_promises, read_promises
from attacks.table import Attack, make_table, merge

PROJECT = Path(__file__).parents[3]
_MARKER = re.compile(r"pytest\.mark\.attack\(\s*\"([^\"]+)\"")


def _attacked() -> set[str]:
    tests = Path(__file__).parents[2].rglob("test_*.py")
    return {name for path in tests for name in _MARKER.findall(path.read_text())}


def test_every_promise_is_attacked():
    assert set(all_promises()) - _attacked() == set()


def test_every_attack_is_on_a_promise():
    assert _attacked() - set(all_promises()) == set()


def test_the_tests_that_promises_name_exist():
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (PROJECT / "SECURITY.md").read_text()))
    assert len(named) > 30
    assert sorted(name for name in named if not (PROJECT / name).exists()) == []


def test_the_tests_that_a_promise_of_ssh_names_attack_it():
    text = (PROJECT / "SECURITY.md").read_text()
    rows = re.findall(r"^\| `(ssh\.[a-z-]+)` \|.*\|([^|]+)\|$", text, re.MULTILINE)
    assert len(rows) > 5
    for promise, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert named, promise
        for name in named:
            assert promise in _MARKER.findall((PROJECT / name).read_text()), (promise, name)


def test_a_promise_is_a_row_that_begins_with_its_name():
    table = "| promise | what |\n| --- | --- |\n| `log-in.guessing` | five | tests |\n"
    text = f"{table}later `a.b` | c |\n"
    assert read_promises(text) == {"log-in.guessing": "five"}


def test_cases_of_one_attack_are_one_row_and_the_worst_is_told():
    played = [
        Attack("a.b", "x", 3, "held"),
        Attack("a.b", "x", 4, "BROKEN"),
        Attack("a.b", "y", 1, "held"),
    ]
    assert merge(played) == [Attack("a.b", "x", 7, "BROKEN"), Attack("a.b", "y", 1, "held")]


def test_a_promise_without_an_attack_is_seen_in_the_table():
    table = make_table([Attack("a.b", "x", 7, "held")], {"a.b": "…", "c.d": "…"})
    assert "| `a.b` | x | 7 | held |" in table
    assert "| `c.d` | | 0 | not attacked in this run |" in table
