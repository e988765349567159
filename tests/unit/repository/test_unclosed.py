"""What a test does not close fails its own file, even where only the garbage collector finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]

LEAK = """
def test_leaves_a_file_open():
    kept = {"file": open(__file__)}
    kept["itself"] = kept  # only the collector finds it
"""
INNOCENT = "def test_that_comes_next():\n    assert [0] * 100_000\n"


def test_what_stays_open_is_told_of_the_file_that_opened_it(tmp_path):
    for name, code in {"a_leak": LEAK, "b_next": INNOCENT}.items():
        (tmp_path / f"test_{name}.py").write_text(code)
    words = ["-m", "pytest", "-c", str(PROJECT / "pyproject.toml"), f"--rootdir={PROJECT}"]
    words += ["-p", "tests.conftest", "-p", "no:cacheprovider", "-q", "-rA", str(tmp_path)]
    words += ["-W", "error::pytest.PytestUnraisableExceptionWarning"]  # as for unit tests
    done = subprocess.run(
        [sys.executable, *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (told,) = [line for line in lines if line.startswith("ERROR ")]
    assert "test_a_leak.py::test_leaves_a_file_open - " in told
    assert "2 passed, 1 error" in lines[-1]
    assert "unclosed file" in done.stdout
