"""Courses as one trainee sees them: exercises in their order, own progress, where to go on. Pure.

The form is in docs/protocols.md, section 2. JupyterLab and the hub's home page show the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmlab.database import StepResult, StoredCourse


def make_outline(
    courses: Iterable[StoredCourse], results: Mapping[str, tuple[StepResult, ...]]
) -> dict[str, Any]:
    """Return the answer of `GET own/courses`.

    Args:
        courses: what is published.
        results: by course, those of one trainee's server only.
    """
    rows = [_course(course, results.get(course.name, ())) for course in courses]
    latest = {
        name: max((result.last_at, result.exercise) for result in found)
        for name, found in results.items()
        if found
    }
    # The course that was worked at last comes first, then the one that was published last.
    published = {course.name: course.published for course in courses}
    rows.sort(
        key=lambda row: (latest.get(row["name"], (0.0, ""))[0], published[row["name"]]),
        reverse=True,
    )
    return {"courses": rows, "current": _find_current(rows, latest)}


def _course(course: StoredCourse, results: tuple[StepResult, ...]) -> dict[str, Any]:
    passed = {f"{r.exercise}/{r.step}" for r in results if r.first_passed is not None}
    exercises: dict[str, dict[str, Any]] = {}
    for step in course.steps:
        exercise = exercises.setdefault(
            step.exercise,
            {
                "folder": step.exercise,
                "title": {"en": step.exercise_en, "fr": step.exercise_fr},
                "steps": [],
            },
        )
        title = {"en": step.title_en, "fr": step.title_fr}
        exercise["steps"].append({"name": step.step, "title": title, "passed": step.key in passed})
    return {
        "name": course.name,
        "version": course.version,
        "title": {"en": course.title_en, "fr": course.title_fr},
        "exercises": list(exercises.values()),
    }


def _find_current(
    rows: list[dict[str, Any]], latest: Mapping[str, tuple[float, str]]
) -> dict[str, str] | None:
    """Return the exercise to continue with; None when everything is done.

    The one worked at last, as long as a step of it is open; else the next that has one, in the
    same course first, from there on and then from its beginning.
    """
    for row in rows:
        _, last = latest.get(row["name"], (0.0, ""))
        exercises = row["exercises"]
        at = next((i for i, each in enumerate(exercises) if each["folder"] == last), 0)
        for each in (*exercises[at:], *exercises[:at]):
            if not all(step["passed"] for step in each["steps"]):
                return {"course": row["name"], "exercise": each["folder"]}
    return None
