"""scripts/bootstrap on a machine where packages are missing and nobody is root.

The three programs by which it asks for that are replaced on PATH; everything else is real.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    answers = {
        "dpkg-query": 'case "$*" in *socat|*uidmap) exit 1 ;; *) printf installed ;; esac',
        "id": "echo 1000",
        "sudo": "echo 'sudo: a password is required' >&2; exit 1",
        "apt-get": f"touch {tmp_path}/apt-get-was-called",
    }
    for name, script in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def bootstrap(programs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / "scripts" / "bootstrap", *words],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_rights_the_one_command_is_printed(programs: Path) -> None:
    done = bootstrap(programs)
    assert done.returncode == 1
    assert done.stderr == (
        "error: these packages are missing; run this command, then try again:\n"
        "  sudo apt-get update && sudo apt-get install -y --no-install-recommends socat uidmap\n"
    )
    assert not (programs.parent / "apt-get-was-called").exists()


def test_on_another_system_the_packages_are_listed(programs: Path) -> None:
    (programs / "dpkg-query").unlink()
    commands = ("bash", "dirname", "id")
    found = programs.parent / "found"
    found.mkdir()
    for command in commands:
        path = next(p for p in ("/usr/bin", "/bin") if (Path(p) / command).exists())
        (found / command).symlink_to(Path(path) / command)
    done = subprocess.run(
        [PROJECT / "scripts" / "bootstrap"],
        env={"PATH": str(found)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "error: this is not a Debian system" in done.stderr
    assert "qemu-system-x86" in done.stderr


def test_wrong_usage_is_2(programs: Path) -> None:
    assert bootstrap(programs, "everything").returncode == 2
