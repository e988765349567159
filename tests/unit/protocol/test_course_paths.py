"""Which paths a course may hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab_protocol.paths import path_problem


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\\b", "a\nb", "a\x00", ""),
        *("a\udcff", "x" * 201, "é" * 101, "/".join("abcdefghi")),
    ],
)
def test_paths_that_are_refused(path):
    assert path_problem(path)


@pytest.mark.parametrize("path", ["a", "a/b.txt", "données/été.csv", "..a", "a b", "-rf"])
def test_paths_that_are_allowed(path):
    assert path_problem(path) == ""


@given(st.text(max_size=40))
def test_a_safe_path_stays_inside(path: str) -> None:
    if not path_problem(path):
        top = Path("/top")
        assert top in (top / path).parents
        assert "\n" not in path
