"""Plugins compiled by gcc, as a trainee compiles them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import narval

HEADERS = Path(narval.__file__).parent / "include"


@pytest.fixture
def compiled(tmp_path):
    """A function that compiles C and returns the library."""

    def compile_plugin(source: str, name: str = "plugin") -> Path:
        code, library = tmp_path / f"{name}.c", tmp_path / f"lib{name}.so"
        code.write_text(source)
        words = ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", f"-I{HEADERS}", "-o"]
        done = subprocess.run([*words, library, code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return library

    return compile_plugin
