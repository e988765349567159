"""Whether JupyterLab can open and save a notebook, by Jupyter's own rules. Pure.

The schema and what it says of a mistake are those of nbformat, which Jupyter's server uses
(jupyter_server/services/contents/fileio.py, `_read_notebook`). Checked first are things that its
reader accepts and that break later: numbers that no browser can read, and unpaired surrogates,
which no answer can carry.
"""

from __future__ import annotations

import codecs
import json
from itertools import islice
from typing import Any

from vmlab.lab.toml_errors import Mistake, show
from vmlab_protocol.outside import load_json

MAX_NOTEBOOK_BYTES = 8 * 1024 * 1024
"""Parsed by Python, JSON takes thirty times its size; meanwhile the hub does nothing else."""

MAX_CELLS = 2000
MAX_OUTPUTS = 10_000
"""JupyterLab cannot draw more in a reasonable time, and a mistake must be looked for in each."""

_MAJOR, _NEWEST_MINOR = 4, 5

_TOLD_CELLS = 20
_SHOWN = 200
_CELL_TYPES = frozenset({"markdown", "code", "raw"})
_MARKS = {
    codecs.BOM_UTF8: "it begins with a byte order mark",
    codecs.BOM_UTF16_LE: "it is UTF-16",
    codecs.BOM_UTF16_BE: "it is UTF-16",
}


def notebook_mistakes(where: str, content: bytes) -> list[Mistake]:
    """Return what keeps JupyterLab from opening or saving a notebook, the first twenty."""
    if len(content) > MAX_NOTEBOOK_BYTES:
        return [
            Mistake(
                where,
                1,
                f"larger than {MAX_NOTEBOOK_BYTES >> 20} MiB, the most a notebook may have",
            )
        ]
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return [Mistake(where, 1, f"not a notebook: {name}; save it as plain UTF-8")]
    try:
        notebook = load_json(content)
    except json.JSONDecodeError as e:
        return [Mistake(where, e.lineno, f"not a notebook: not valid JSON: {e.msg}")]
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        return [Mistake(where, line, "not a notebook: not UTF-8 text; save it as UTF-8")]
    except ValueError as e:
        return [Mistake(where, 1, f"not a notebook: {e}")]
    problems = _head_problems(notebook) or _cell_problems(notebook["cells"])
    if not problems:
        problems = _schema_problems(notebook)
    return [Mistake(where, 1, problem) for problem in problems]


def _head_problems(notebook: Any) -> list[str]:
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        return ["not a notebook: it has no list of cells"]
    major, minor = notebook.get("nbformat"), notebook.get("nbformat_minor")
    if type(major) is not int or major != _MAJOR:
        return [f"notebook format {show(major)}; allowed: {_MAJOR}"]
    if type(minor) is not int or not 0 <= minor <= _NEWEST_MINOR:
        found = "is missing" if minor is None else show(minor)
        return [f"notebook format {major}, nbformat_minor {found}; allowed: 0 to {_NEWEST_MINOR}"]
    if len(notebook["cells"]) > MAX_CELLS:
        return [f"{len(notebook['cells'])} cells; a notebook has at most {MAX_CELLS}"]
    return []


def _cell_problems(cells: list[Any]) -> list[str]:
    """Report in our words what the schema would say at length."""
    wrong = (
        f"cell {number}: {problem}"
        for number, cell in enumerate(cells, start=1)
        if (problem := _cell_problem(cell))
    )
    found = list(islice(wrong, _TOLD_CELLS))
    outputs = sum(len(cell["outputs"]) for cell in cells if _has_outputs(cell))
    if not found and outputs > MAX_OUTPUTS:
        return [f"{outputs} outputs; a notebook has at most {MAX_OUTPUTS}"]
    return found


def _has_outputs(cell: Any) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("outputs"), list)


def _cell_problem(cell: Any) -> str:
    if not isinstance(cell, dict):
        return "not an object"
    kind = cell.get("cell_type")
    if not isinstance(kind, str) or kind not in _CELL_TYPES:
        return f"unknown cell_type {show(kind)}"
    source = cell.get("source")
    lines = source if isinstance(source, list) else [source]
    return "" if all(isinstance(line, str) for line in lines) else "its source is not text"


def _schema_problems(notebook: dict[str, Any]) -> list[str]:
    # Takes as long to import as the rest of the command line, and the hub needs it for a push only.
    from nbformat import validator  # noqa: PLC0415

    rules: Any = validator  # it has no types
    minor, cells = notebook["nbformat_minor"], notebook["cells"]
    if minor >= 5:
        for number, cell in enumerate(cells, start=1):
            cell.setdefault("id", f"cell-{number}")  # as Jupyter's server does when it reads
    if not rules.get_validator(_MAJOR, minor, name="fastjsonschema").iter_errors(notebook):
        return []
    # Part by part and the first of each: of a whole notebook, jsonschema looks for every mistake
    # that there is in every kind of cell, which takes minutes.
    head = [*islice(rules.iter_validate({**notebook, "cells": []}), 1)]
    problems = [_in_words(error, "") for error in head]
    for number, cell in enumerate(cells, start=1):
        kind = f"{cell['cell_type']}_cell"
        wrong = rules.iter_validate(cell, ref=kind, version=_MAJOR, version_minor=minor)
        problems += [_in_words(error, f"cell {number}") for error in islice(wrong, 1)]
        if len(problems) >= _TOLD_CELLS:
            break
    return problems or ["it does not follow the notebook format"]


def _in_words(error: Any, where: str) -> str:
    """Return `cell 3: 'outputs' is a required property`."""
    path = ".".join([where, *map(str, error.relative_path)]).lstrip(".")
    message = str(error.message)
    shown = message if len(message) <= _SHOWN else f"{message[:_SHOWN]}…"
    return f"{path}: {shown}" if path else shown
