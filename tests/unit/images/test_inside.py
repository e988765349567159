"""Finishing an image from inside: what ends a build, played with this host's Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vmlab.images import inside

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
USER = "daemon"  # whose group is called the same everywhere


@pytest.fixture
def python():
    """A folder whose `bin/python` everybody may run."""
    with tempfile.TemporaryDirectory(prefix="vmlab-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to("/usr/bin/python3")
        yield folder


def job(python: Path, imports: list[str], never: list[str]) -> dict[str, object]:
    return {"path": str(python), "imports": imports, "never": never}


@needs_root
def test_what_is_to_be_there_is_imported_as_the_trainee_and_in_no_other_environment(
    python, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    (python / "bin" / "python").unlink()
    shown = python / "bin" / "python"
    shown.write_text('#!/bin/sh\ntest -z "$PYTHONPATH" && exec /usr/bin/python3 "$@"\n')
    shown.chmod(0o755)
    imports = ["json", "email.mime.text"]
    inside.check_imports(job(python, imports, ["no_such_module"]), USER)


@needs_root
@pytest.mark.parametrize(
    ("imports", "never", "told"),
    [
        (["no_such_module"], [], "No module named 'no_such_module'"),
        ([], ["json", "no_such_module"], "must not be in the image: ['json']"),
    ],
)
def test_what_is_missing_or_must_not_be_there_ends_the_build(python, capfd, imports, never, told):
    with pytest.raises(subprocess.CalledProcessError):
        inside.check_imports(job(python, imports, never), USER)
    assert told in capfd.readouterr().err


def test_a_lock_for_another_python_is_refused_before_anything_is_made(tmp_path):
    venv = tmp_path / "venv"
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(SystemExit, match=rf"the image has Python {found}, the lock is for 2\.7"):
        inside.install_python({"path": str(venv), "version": "2.7", "local": []})
    assert not venv.exists()


def test_a_program_that_fails_ends_the_build_and_reads_no_keyboard():
    inside.run("sh", "-c", 'test "$LOOK" = here && ! read -r word', env={"LOOK": "here"})
    with pytest.raises(subprocess.CalledProcessError):
        inside.run("sh", "-c", "exit 3")
