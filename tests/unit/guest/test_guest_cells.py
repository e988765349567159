"""Checks after a cell with a SyntaxError: with the real IPython."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from lab import cells
from lab.cells import find_answers, find_names


@pytest.fixture
def shell(monkeypatch):
    # Its history's thread would go on after the test.
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    monkeypatch.setattr(cells, "_shell", lambda: made)
    monkeypatch.setattr(cells, "unread", cells.Unread())
    cells.watch()
    judged: list[list[str]] = []
    made.user_ns["check"] = lambda *_: judged.append(cells.find_stale())
    made.judged = judged  # type: ignore[attr-defined]  # for the test that it is given to
    return made


def test_an_old_function_is_not_judged(shell, capsys):
    shell.run_cell("def decode(data):\n    return 1", store_history=True)
    shell.run_cell('check("decode", decode)', store_history=True)
    shell.run_cell("def decode(data)\n    return 2", store_history=True)
    shell.run_cell('check("decode", decode)', store_history=True)
    shell.run_cell('check("other", len, 1)', store_history=True)
    shell.run_cell("def decode(data):\n    return 2", store_history=True)
    shell.run_cell('check("decode", decode)', store_history=True)
    assert shell.judged == [[], ["decode"], [], []]


def test_neither_is_an_old_value(shell, capsys):
    shell.run_cell("rate, run = 1, 2", store_history=True)
    shell.run_cell("rate, run = 1 2", store_history=True)
    shell.run_cell('check("look", rate, run)', store_history=True)
    shell.run_cell("rate = 3\n1 / 0", store_history=True)
    shell.run_cell('check("look", rate, run)', store_history=True)
    assert shell.judged == [["rate", "run"], ["run"]]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x == 1\ny = 2", {"y"}),
        ("  z: int = 3", {"z"}),
        ("async def f(:\nclass G(", {"f", "G"}),
        ("f(a=1)", set()),
    ],
)
def test_names_that_a_cell_defines(source, names):
    assert find_names(source) == names


def test_answers_of_a_cell_with_magics():
    assert find_answers('%time check("a", x)\n!ls') == {"x"}


@given(st.text())
def test_any_text_is_a_cell(source):
    find_names(source)
    find_answers(source)
