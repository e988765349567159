"""Cells of the notebook that could not be run: the names that they define keep their old values.

A cell with a syntax error is not run at all. A check after it would judge the function of an
earlier attempt, which the trainee no longer sees.
"""

from __future__ import annotations

import ast
import re
from typing import Any

_DEFINES = re.compile(
    r"^\s*(?:(?:async\s+)?def|class)\s+(\w+)"  # a function or class
    r"|^\s*(\w+(?:\s*,\s*\w+)*)\s*(?::[^=\n]+)?=(?!=)",  # names before an equals sign
    re.MULTILINE,
)


class Unread:
    """The names that cells which were not run would have defined."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def after_cell(self, result: Any) -> None:
        """Take note of a cell that was run or not: IPython's `post_run_cell`."""
        source = getattr(getattr(result, "info", None), "raw_cell", None)
        if not isinstance(source, str):
            return
        if isinstance(getattr(result, "error_before_exec", None), SyntaxError):
            self._names |= find_names(source)
        else:
            self._names -= find_names(source)

    def among(self, source: str) -> list[str]:
        """Return those of them that this cell gives to `check`."""
        return sorted(self._names & find_answers(source))


def find_names(source: str) -> set[str]:
    """Return what a cell defines, as far as its lines tell: it may not be valid Python."""
    found: set[str] = set()
    for match in _DEFINES.finditer(source):
        found.update(name.strip() for name in (match[1] or match[2]).split(","))
    return found


def find_answers(source: str) -> set[str]:
    """Return the names that a cell gives to `check`; of one with magics, what can be told."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # nested deep, or a null byte
        return {word for call in re.findall(r"\bcheck\(([^)]*)\)", source) for word in _words(call)}
    return {
        name.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _called(call) == "check"
        for given in (*call.args, *(keyword.value for keyword in call.keywords))
        for name in ast.walk(given)
        if isinstance(name, ast.Name)
    }


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", re.sub(r"\"[^\"]*\"|'[^']*'", " ", text))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


unread = Unread()


def watch() -> None:
    """Take note of every cell of this notebook from now on; no-op outside of one."""
    if shell := _shell():
        shell.events.register("post_run_cell", unread.after_cell)


def find_stale() -> list[str]:
    """Return the names that the running cell gives to `check` and that stand for something old."""
    shell = _shell()
    cells = shell.user_ns.get("In") if shell else None
    source = cells[-1] if isinstance(cells, list) and cells else None
    return unread.among(source) if isinstance(source, str) else []


def _shell() -> Any:
    try:
        from IPython import get_ipython  # noqa: PLC0415 - scripts have none
    except ImportError:
        return None
    return get_ipython()
