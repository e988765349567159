"""Which name a course may have, and which of its files a trainee gets. Pure."""

from __future__ import annotations

import re

_COURSE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def is_course_name(name: object) -> bool:
    """Return whether this is a name of a course, hence safe as a folder's name."""
    return isinstance(name, str) and _COURSE_NAME.fullmatch(name) is not None


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
