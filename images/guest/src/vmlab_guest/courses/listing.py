"""What the hub says is published, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vmlab_guest.courses.names import is_course_name
from vmlab_guest.errors import DeliveryError

MAX_COURSES = 50
"""The hub publishes no more (`vmlab.courses.shelf`)."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CourseVersion:
    """One course as the hub lists it; without a digest when it was withdrawn."""

    name: str
    version: int
    digest: str = ""

    @property
    def is_removed(self) -> bool:
        """Whether the course was withdrawn."""
        return not self.digest


@dataclass(frozen=True)
class Listing:
    """What is published now, and what was withdrawn."""

    digest: str
    courses: tuple[CourseVersion, ...]


def parse_listing(value: object) -> Listing:
    """Return the checked answer to `GET courses`.

    Raises:
        DeliveryError: it breaks the format.
    """
    try:
        digest, rows = value["digest"], value["courses"]  # type: ignore[index]  # checked by `except`
        courses = [_published(row) for row in rows[:MAX_COURSES]]
        gone = value.get("removed", [])  # type: ignore[attr-defined]  # has "digest", so is a dict
        courses += [CourseVersion(row["name"], row["version"]) for row in gone]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise DeliveryError(f"the list of courses breaks its format: {error!r}") from error
    if not isinstance(digest, str):
        raise DeliveryError("the list of courses has no digest")
    for course in courses:
        is_version = type(course.version) is int and 0 < course.version < 10**9
        if not is_course_name(course.name) or not is_version:
            raise DeliveryError(f"the list of courses holds {str(course)[:200]}")
    return Listing(digest, tuple(courses))


def _published(row: Any) -> CourseVersion:
    digest = row["digest"]
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise DeliveryError(f"the list of courses holds {str(row)[:200]}")
    return CourseVersion(row["name"], row["version"], digest)
