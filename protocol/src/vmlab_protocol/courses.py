"""Which courses are published: their names, and the list that machines follow. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from vmlab_protocol.errors import FormatError

NAME_PATTERN = r"[a-z][a-z0-9-]{0,39}"
"""Of a course, and of a step."""

FOLDER_PATTERN = r"[a-z0-9][a-z0-9-]{0,59}"
"""Of an exercise."""

MAX_COURSES = 50
"""Published at a time."""

MAX_VERSION = 2**31 - 1
"""Of a course: the largest integer that every database can store."""

MAX_WAIT_S = 25
"""The longest that a hub holds back the list while nothing changes: shorter than the minute after
which proxies give up on a silent request."""

_NAME = re.compile(NAME_PATTERN)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CourseVersion:
    """One course as the hub lists it; without a digest when it was taken back."""

    name: str
    version: int
    digest: str = ""

    @property
    def is_removed(self) -> bool:
        """Whether the course was taken back."""
        return not self.digest


@dataclass(frozen=True)
class Listing:
    """What is published now, and what was taken back."""

    digest: str
    courses: tuple[CourseVersion, ...]


def is_course_name(name: object) -> bool:
    """Return whether this is a name of a course, hence safe as a folder's name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_version(value: object) -> TypeGuard[int]:
    """Return whether this is a version of a course."""
    return type(value) is int and 0 < value <= MAX_VERSION


def dump_listing(
    digest: str, courses: Sequence[dict[str, Any]], removed: Sequence[CourseVersion]
) -> dict[str, Any]:
    """Return the answer to `GET courses`.

    Args:
        digest: of the whole list; changes whenever anything in it changes.
        courses: those published, as `dump_course` returns them.
        removed: those taken back.
    """
    gone = [{"name": course.name, "version": course.version} for course in removed]
    return {"digest": digest, "courses": list(courses), "removed": gone}


def dump_course(course: CourseVersion, title: dict[str, str]) -> dict[str, Any]:
    """Return one published course; machines have no use for its `title`, people have."""
    return {
        "name": course.name,
        "version": course.version,
        "digest": course.digest,
        "title": title,
    }


def parse_listing(value: object) -> Listing:
    """Return the checked answer to `GET courses`.

    Raises:
        FormatError: it breaks the format.
    """
    try:
        digest, rows = value["digest"], value["courses"]  # type: ignore[index]  # checked by `except`
        courses = [_published(row) for row in rows[:MAX_COURSES]]
        gone = value.get("removed", [])  # type: ignore[attr-defined]  # has "digest", so is a dict
        courses += [CourseVersion(row["name"], row["version"]) for row in gone]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise FormatError(f"the list of courses breaks its format: {error!r}") from error
    if not isinstance(digest, str):
        raise FormatError("the list of courses has no digest")
    for course in courses:
        if not is_course_name(course.name) or not is_version(course.version):
            raise FormatError(f"the list of courses holds {str(course)[:200]}")
    return Listing(digest, tuple(courses))


def _published(row: Any) -> CourseVersion:
    digest = row["digest"]
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise FormatError(f"the list of courses holds {str(row)[:200]}")
    return CourseVersion(row["name"], row["version"], digest)
