"""A stranger finds the right file from the folders' names: each folder says what is in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import vmlab
import vmlab_protocol

_ROOT = Path(vmlab.__file__).parent
_PROTOCOL = Path(vmlab_protocol.__file__).parent
_FOLDERS = [*sorted(path.parent for path in _ROOT.rglob("__init__.py")), _PROTOCOL]


def _modules(folder: Path) -> set[str]:
    files = {path.stem for path in folder.glob("*.py") if path.name != "__init__.py"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def _named(folder: Path) -> set[str]:
    """The words before the two spaces that set off what a module is for."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    rows = re.findall(r"^ {0,4}([a-z][a-z0-9_, .]*?)  +[^\s#]", text, re.MULTILINE)
    return {name.removesuffix(".py") for row in rows for name in re.split(r",\s*", row)}


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda path: path.name)
def test_a_folder_names_all_its_modules_and_no_others(folder):
    assert _named(folder) == _modules(folder)


def test_the_tests_stand_in_the_folders_of_what_they_test():
    unit = Path(__file__).parents[1]
    tested = {path.parent.relative_to(_ROOT) for path in _ROOT.rglob("__init__.py")}
    others = {Path(name) for name in ("guest", "narval", "notebooks", "protocol", "repository")}
    tests = sorted(unit.rglob("test_*.py"))
    folders = {path.parent.relative_to(unit) for path in tests}
    assert folders - tested - others == set()
    loose = {path.stem for path in tests if path.parent == unit}
    assert loose <= {f"test_{name}" for name in _modules(_ROOT)}
