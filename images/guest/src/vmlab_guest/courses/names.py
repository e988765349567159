"""Which names a course and its files may have, and which of them a trainee gets. Pure."""

from __future__ import annotations

import re

_COURSE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MAX_DEPTH = 8
_MAX_NAME_BYTES = 200


def is_course_name(name: object) -> bool:
    """Return whether this is a name of a course, hence safe as a folder's name."""
    return isinstance(name, str) and _COURSE_NAME.fullmatch(name) is not None


def is_safe_path(path: str) -> bool:
    """Return whether a path in an archive stays below the folder it is unpacked to.

    No absolute path, no `.` and `..`, no control characters, no backslash.
    """
    parts = path.split("/")
    return len(parts) <= _MAX_DEPTH and all(
        part
        and part.isprintable()
        and part not in {".", ".."}
        and "\\" not in part
        and len(part.encode(errors="replace")) <= _MAX_NAME_BYTES
        for part in parts
    )


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
