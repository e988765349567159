"""The protocol is for both sides: standard library only, in a hub's Python and in a machine's."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vmlab
import vmlab_guest
import vmlab_protocol
from vmlab.images.wheels import build_local_wheel

SOURCES = Path(vmlab_protocol.__file__).parent
PROJECT = SOURCES.parents[2]
LIMIT_S = 120


def imported(path: Path) -> set[str]:
    """The packages that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_the_standard_library_and_its_own_package(path):
    assert imported(path) <= {*sys.stdlib_module_names, "vmlab_protocol"}


def test_a_wheel_is_built_offline_and_works_without_anything_else(tmp_path):
    """As an image gets it; without `site`, nothing else that is installed is found."""
    wheel = build_local_wheel(PROJECT / "protocol", tmp_path / "wheels", 1_767_225_600)
    modules = ", ".join(f"vmlab_protocol.{path.stem}" for path in SOURCES.glob("[a-z]*.py"))
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import {modules}; print(vmlab_protocol)"
    )
    words = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert str(wheel) in done.stdout, done.stderr


def test_one_version_for_all():
    assert vmlab.__version__ == vmlab_guest.__version__ == vmlab_protocol.__version__
    version = SOURCES / "__init__.py"
    for folder in (PROJECT, PROJECT / "protocol", PROJECT / "images/guest"):
        table = tomllib.loads((folder / "pyproject.toml").read_text())
        assert (folder / table["tool"]["hatch"]["version"]["path"]).resolve() == version


@pytest.mark.parametrize("folder", ["", "images/guest"])
def test_both_sides_ask_for_it(folder):
    project = tomllib.loads((PROJECT / folder / "pyproject.toml").read_text())["project"]
    assert "vmlab-protocol" in project["dependencies"]
