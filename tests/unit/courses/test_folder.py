"""Which files belong to a course, and the limits on them."""

from __future__ import annotations

import os

import pytest

from fakes.courses import make_files, write_folder
from vmlab.courses import folder as limits
from vmlab.courses import read_folder
from vmlab.courses.folder import check_limits, is_delivered
from vmlab.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "delivered"),
    [
        ("course.toml", True),
        ("01-who/exercise.ipynb", True),
        ("01-who/data/solutions-of-equations.csv", True),
        ("01-who/solution.ipynb", False),
        ("01-who/Solution.ipynb", False),
        ("01-who/solutions/exercise.ipynb", False),
        ("01-who/exercise-solution.ipynb", False),
        ("01-who/exercise_solutions2.py", False),
        ("01-who/exercise.solution.ipynb", False),
        ("01-who/Solution1.ipynb", False),
        ("01-who/resolution.md", True),
        ("01-who/dissolution-of-salt.md", True),
        ("01-who/solution_long.py", False),
        ("01-who/solution/part.py", False),
        (".git/config", False),
        ("01-who/.ipynb_checkpoints/exercise.ipynb", False),
        ("01-who/__pycache__/checks.cpython-311.pyc", False),
        ("notes.txt~", False),
    ],
)
def test_what_is_delivered(path, delivered):
    assert is_delivered(path) is delivered


def test_reading_leaves_by_products_out(tmp_path):
    files = make_files()
    extra = {".git/config": b"x", "01-who/__pycache__/a.pyc": b"x", "01-who/.hidden": b"x"}
    assert read_folder(write_folder(tmp_path, files | extra)) == files


def test_a_folder_without_course_toml(tmp_path):
    with pytest.raises(ConfigError, match=r"is not a course: it has no course\.toml"):
        read_folder(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "gone", "."])
def test_links_are_refused(tmp_path, target):
    folder = write_folder(tmp_path, make_files())
    (folder / "01-who" / "link").symlink_to(target)
    with pytest.raises(ConfigError, match=r"01-who/link is not a regular file"):
        read_folder(folder)


def test_pipes_are_refused_without_waiting(tmp_path):
    folder = write_folder(tmp_path, make_files())
    os.mkfifo(folder / "pipe")
    with pytest.raises(ConfigError, match="pipe is not a regular file"):
        read_folder(folder)


def test_large_files_are_refused_before_they_are_read(tmp_path):
    folder = write_folder(tmp_path, make_files())
    with (folder / "data.bin").open("wb") as file:
        file.truncate(33 * 1024 * 1024)  # sparse: takes no room
    with pytest.raises(ConfigError, match=r"data\.bin has 33\.0 MiB; at most 32 MiB"):
        read_folder(folder)


def test_many_files_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILES", 3)
    with pytest.raises(ConfigError, match="4 files; at most 3"):
        check_limits(make_files(), "c")


def test_the_total_is_limited(monkeypatch):
    monkeypatch.setattr(limits, "MAX_TOTAL_BYTES", 1024)
    with pytest.raises(ConfigError, match="c has"):
        check_limits(make_files({"x": b"x" * 1000}), "c")
