"""Courses as a trainee sees them: own progress, and the exercise to continue with."""

from __future__ import annotations

import pytest

from vmlab.database import StepResult, StoredCourse, StoredStep
from vmlab.web.board import make_outline


def course(name: str, published: float = 1.0) -> StoredCourse:
    steps = [StoredStep(e, e.upper(), f"{e} fr", s, s, s) for e in ("a", "b", "c") for s in "xy"]
    return StoredCourse(name, 3, "d", name.title(), f"{name} fr", tuple(steps), published)


def done(*steps: str, begin: float = 10.0, passed: bool = True) -> tuple[StepResult, ...]:
    return tuple(
        StepResult("ada", "", exercise, name, 1, at if passed else None, at, passed)
        for at, step in enumerate(steps, int(begin))
        for exercise, _, name in (step.partition("/"),)
    )


def current(results, *courses) -> str:
    found = make_outline(courses or (course("one"),), results)["current"]
    return f"{found['course']}/{found['exercise']}" if found else ""


def test_exercises_keep_their_order_and_steps_tell_what_was_passed():
    outline = make_outline([course("one")], {"one": done("a/x") + done("b/y", passed=False)})
    (only,) = outline["courses"]
    assert (only["name"], only["version"], only["title"]) == (
        "one",
        3,
        {"en": "One", "fr": "one fr"},
    )
    assert [e["folder"] for e in only["exercises"]] == ["a", "b", "c"]
    assert only["exercises"][0]["title"] == {"en": "A", "fr": "a fr"}
    passed = [[s["passed"] for s in e["steps"]] for e in only["exercises"]]
    assert passed == [[True, False], [False, False], [False, False]]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ((), "one/a"),
        (done("a/x"), "one/a"),
        (done("a/x", "a/y"), "one/b"),
        # Who skipped one goes on where they are, and is led back at the end only.
        (done("b/x"), "one/b"),
        (done("b/x", "b/y"), "one/c"),
        (done("b/x", "b/y", "c/x", "c/y"), "one/a"),
        (done("a/x", "a/y") + done("c/x", begin=99, passed=False), "one/c"),
        (done("a/x", "a/y", "b/x", "b/y", "c/x", "c/y"), ""),
        # Of an exercise that the newest version no longer has.
        (done("gone/x"), "one/a"),
    ],
)
def test_the_exercise_to_go_on_with(results, expected):
    assert current({"one": results}) == expected


def test_the_course_worked_at_last_comes_first_then_the_newest():
    old, new, at = course("old", 1), course("new", 5), course("at", 2)
    outline = make_outline([at, new, old], {"at": done("a/x"), "old": (), "new": ()})
    assert [c["name"] for c in outline["courses"]] == ["at", "new", "old"]
    assert outline["current"] == {"course": "at", "exercise": "a"}
    everything = done("a/x", "a/y", "b/x", "b/y", "c/x", "c/y")
    assert current({"at": everything}, at, new, old) == "new/a", "the next course follows"


def test_no_course_is_nothing_to_go_on_with():
    assert make_outline([], {}) == {"courses": [], "current": None}
