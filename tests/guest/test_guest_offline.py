"""A lab without internet: the real apt and a real terminal say so."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.fake_system import FakeSystem
from vmlab_guest import offline

PACKAGES = Path(offline.__file__).parents[1]
LIMIT_S = 120


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without internet; what apt runs there finds this checkout."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={PACKAGES} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        offline.apply_offline(FakeSystem(tmp_path / "root"), is_offline=True)
    (tmp_path / "root/run/vmlab/notices-seen").mkdir(parents=True)
    return tmp_path / "root"


def run_apt(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    state = root / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").touch()
    options = (
        f"Dir::State={state}", f"Dir::State::status={state}/status", f"Dir::Cache={state}",
        f"Dir::Etc::sourcelist={state}/sources.list", "Dir::Etc::sourceparts=/dev/null",
    )  # fmt: skip
    return subprocess.run(
        ["apt-get", *(word for option in options for word in ("-o", option)), *words],
        env=os.environ
        | {
            "APT_CONFIG": str(root / "etc/apt/apt.conf.d/50vmlab-offline"),
            "VMLAB_ROOT": str(root),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "This lab has no internet"), ("fr", "Ce lab n'a pas accès à internet")],
)
@pytest.mark.parametrize("command", [("update",), ("-s", "install", "no-such-package")])
def test_apt_says_that_there_is_no_internet(
    root: Path, command: tuple[str, ...], language: str, words: str
) -> None:
    (root / "run/vmlab/language").write_text(f"{language}\n")
    done = run_apt(root, *command)
    assert done.stderr.count(words) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_an_installation_that_works_says_nothing(root: Path) -> None:
    done = run_apt(root, "-s", "install")
    assert done.returncode == 0, done.stderr
    assert "internet" not in done.stderr


def test_a_terminal_says_it_once(root: Path) -> None:
    script = (root / "etc/profile.d/vmlab-offline.sh").read_text()
    script = script.replace("/run/vmlab", str(root / "run/vmlab"))
    (root / "run/vmlab/language").write_text("fr\n")
    shown = [run_in_terminal(script) for _ in range(2)]
    assert [text.count("Ce lab n'a pas accès à internet") for text in shown] == [1, 0]


def run_in_terminal(script: str) -> str:
    ours, theirs = pty.openpty()
    subprocess.run(["sh", "-c", script], stdout=theirs, timeout=LIMIT_S, check=True)
    os.write(theirs, b"end")  # else reading would wait
    os.close(theirs)
    text = b""
    while not text.endswith(b"end"):
        text += os.read(ours, 4096)
    os.close(ours)
    return text.decode()
