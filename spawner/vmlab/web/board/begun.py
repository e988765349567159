"""Which courses each trainee has begun, of all that are published. Pure.

Whether somebody is stuck does not depend on which course a facilitator is looking at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vmlab.database import CourseStep, StoredCourse


@dataclass(frozen=True)
class Begun:
    """How far one trainee is with one course."""

    course: str
    total: int
    passed: int
    last_progress: float | None  # when the last step was passed for the first time
    last_tried: float

    def as_row(self) -> dict[str, Any]:
        """Return it in the form of docs/protocols.md, section 2."""
        return asdict(self)


def find_begun(
    courses: Iterable[StoredCourse], done: Iterable[CourseStep]
) -> Mapping[tuple[str, str], tuple[Begun, ...]]:
    """Return the courses that each (user, server) has tried; steps that are gone do not count."""
    current = {course.name: {step.key for step in course.steps} for course in courses}
    tried: dict[tuple[str, str], dict[str, list[CourseStep]]] = {}
    for step in done:
        if step.key in current.get(step.course, ()):
            of_user = tried.setdefault((step.user, step.server), {})
            of_user.setdefault(step.course, []).append(step)
    return {
        who: tuple(_begun(name, len(current[name]), steps) for name, steps in of_user.items())
        for who, of_user in tried.items()
    }


def _begun(course: str, total: int, steps: list[CourseStep]) -> Begun:
    passed = [step.first_passed for step in steps if step.first_passed is not None]
    last_tried = max(step.last_at for step in steps)
    return Begun(course, total, len(passed), max(passed, default=None), last_tried)
