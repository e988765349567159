"""Which files of a course a trainee gets, and under which names. Pure."""

from __future__ import annotations


def is_for_trainee(path: str) -> bool:
    """Return whether the trainee gets a copy: not the checks, not the course's description."""
    name = path.rpartition("/")[2]
    return path != "course.toml" and name not in {"checks.py", "solution.ipynb"}


def make_beside(path: str, version: int, number: int = 0) -> str:
    """Return the name under which a new version is put beside an edited file.

    >>> make_beside("01/exercise.ipynb", 2)
    '01/exercise.v2.ipynb'
    """
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    tag = f"v{version}" if number == 0 else f"v{version}-{number}"
    new = f"{stem}.{tag}.{suffix}" if dot and stem else f"{name}.{tag}"
    return f"{folder}{slash}{new}"
