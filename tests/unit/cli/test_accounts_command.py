"""`vmlab accounts`: passwords are printed for somebody's eyes, and nowhere else by accident."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from vmlab.people.accounts import ensure_passwords

LAB = """
[provider]
name = "fake"
[accounts]
trainees = ["ada", "bob"]
trainers = ["boss"]
"""
COMMAND = [sys.executable, "-c", "from vmlab.cli import main; main()", "accounts"]


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ada's. Bob came to the lab since its last start, and has none."""
    (tmp_path / "jupyterhub_config.py").touch()
    (tmp_path / "lab.toml").write_text(LAB)
    monkeypatch.setenv("VMLAB_PROJECT", str(tmp_path))
    monkeypatch.setenv("VMLAB_STATE", str(tmp_path))
    monkeypatch.delenv("VMLAB_LAB", raising=False)
    return ensure_passwords(tmp_path / "accounts.toml", ["ada", "boss"])["ada"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)


@pytest.mark.attack("shares.passwords", "reads a pipe, a file or a journal of the command line")
def test_passwords_go_into_no_pipe_by_accident(password, tmp_path):
    done = run()
    assert done.returncode == 1
    assert password not in done.stdout + done.stderr
    assert str(tmp_path / "accounts.toml") in done.stderr
    assert "--show" in done.stderr


def test_passwords_are_printed_on_a_terminal(password):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb") as terminal:
        done = subprocess.run(COMMAND, stdout=theirs, check=False)
        os.close(theirs)
        said = terminal.read1(65536).decode()
    assert done.returncode == 0
    assert password in said
    assert "trainer" in said


def test_passwords_are_printed_where_somebody_asks_for_it(password):
    (ada,) = [line for line in run("--show").stdout.splitlines() if line.startswith("ada")]
    assert ada.split() == ["ada", password, "trainee"]
    rows = json.loads(run("--json").stdout)["accounts"]
    assert {"account": "ada", "password": password, "role": "trainee"} in rows
    assert {"account": "bob", "password": None, "role": "trainee"} in rows
    (bob,) = [line for line in run("--show").stdout.splitlines() if line.startswith("bob")]
    assert "vmlab up" in bob
