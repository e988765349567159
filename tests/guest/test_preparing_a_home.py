"""What a machine does to a home on the file server before it is used: the real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vmlab_guest.shares import home


def prepare(place: Path) -> list[str]:
    """Run what prepares a home, with other folders in the places of the machine's."""
    script = home._PREPARE
    script = script.replace("/home/trainee", str(place / "home")).replace(
        "/etc/skel", str(place / "skel")
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel/.bashrc").write_text("# skel\n")
    return tmp_path


def test_a_new_home_is_filled_once(place: Path) -> None:
    assert prepare(place) == list(home.LOCAL)
    assert (place / "home/.bashrc").read_text() == "# skel\n"
    assert str((place / "home/shared").readlink()) == "/run/vmlab/shared"
    assert (place / "home/.ssh").stat().st_mode & 0o777 == 0o700
    (place / "home/.bashrc").unlink()
    assert prepare(place) == list(home.LOCAL)
    assert not (place / "home/.bashrc").exists()


def test_what_a_trainee_put_in_the_way_stays(place: Path) -> None:
    (place / "home/.cache").symlink_to("/etc")
    (place / "home/.ssh").write_text("a file")
    (place / "home/shared").mkdir()
    (place / "home/two words").mkdir()
    assert prepare(place) == [".ipython", ".jupyter", ".local/share/jupyter"]
    assert str((place / "home/.cache").readlink()) == "/etc"
    assert list((place / "home/shared").iterdir()) == []


def test_a_home_that_its_trainee_locked_is_opened(place: Path) -> None:
    (place / "home").chmod(0o000)
    assert prepare(place) == list(home.LOCAL)
    assert (place / "home").stat().st_mode & 0o700 == 0o700
