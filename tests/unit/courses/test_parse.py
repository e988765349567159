"""Every mistake in a course is named with file and line."""

from __future__ import annotations

import json

import pytest

from fakes.courses import COURSE_TOML, NOTEBOOK, make_files
from vmlab.courses import Title, parse_course
from vmlab.errors import ConfigError


def toml(old: str, new: str) -> dict[str, bytes]:
    assert old in COURSE_TOML
    return make_files({"course.toml": COURSE_TOML.replace(old, new, 1).encode()})


def message(files: dict[str, bytes]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_course(files, "c")
    return caught.value.message


def test_a_right_course():
    course = parse_course(make_files(), "c")
    assert (course.name, course.title) == ("first-steps", Title("First steps", "Premiers pas"))
    (exercise,) = course.exercises
    assert (exercise.folder, exercise.title.fr) == ("01-who", "Qui suis-je ?")
    assert [(s.name, s.title.en) for s in exercise.steps] == [
        ("user", "Your user"),
        ("home-disk", "Your disk"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "first-steps"', 'name = "First Steps"', "c/course.toml:2: course.name: "),
        ('name = "first-steps"', 'nmae = "first-steps"', "did you mean 'name'"),
        (', fr = "Premiers pas"', "", "course.title.fr: missing"),
        ('en = "First steps"', 'en = "  "', "c/course.toml:3: course.title.en: "),
        ('"01-who"', '"../etc"', "c/course.toml:6: exercise[1].folder: '../etc' is not allowed"),
        ('"01-who"', '"02-else"', "the file 02-else/exercise.ipynb is missing"),
        ('"user"', '"home-disk"', "'home-disk' is there twice in this exercise"),
        ('"user"', '"nobody"', "c/01-who/checks.py:1: no check for step 'nobody'"),
        ("[[exercise.step]]", "[[exercise.stop]]", "unknown key"),
        ("[course]", "[course", "c/course.toml:1"),
        ('"user"', "0x" + "f" * 5000, "exercise[1].step[1].name: a whole number of thousands of d"),
        ('"user"', "[0x" + "f" * 5000 + "]", "a whole number of thousands of digits"),
        ('"user"', "9" * 5000, "c/course.toml: not usable TOML"),
    ],
)
def test_mistakes_in_course_toml(old, new, expected):
    assert expected in message(toml(old, new))


def test_all_mistakes_at_once():
    text = COURSE_TOML.replace('"first-steps"', '"X"').replace('"user"', '"Y"').encode()
    found = message(make_files({"course.toml": text}))
    assert "2 mistakes" in found
    assert "course.toml:2" in found
    assert "course.toml:9" in found


def test_no_exercise_at_all():
    text = COURSE_TOML[: COURSE_TOML.index("[[exercise]]")].encode()
    assert "at least one [[exercise]]" in message(make_files({"course.toml": text}))


def test_not_utf8_names_the_line():
    text = COURSE_TOML.replace("Premiers", "Pr\u00e9mier").encode("latin-1")
    assert "c/course.toml:3: not UTF-8" in message(make_files({"course.toml": text}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{\n "cells": [\n}', "01-who/exercise.ipynb:3: not a notebook: not valid JSON"),
        (b"[]", "it has no list of cells"),
        (b"[" * 100_000, "not a notebook"),
        (b'{"cells": [], "nbformat": ' + b"9" * 5000 + b"}", "not a notebook"),
    ],
)
def test_broken_notebooks(content, expected):
    assert expected in message(make_files({"01-who/exercise.ipynb": content}))


@pytest.mark.timeout(20)  # the first once took a thousand times as much memory
@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("01-who/checks.py", b"[],\n" * 8 * 2**20, "checks have at most 64 KiB"),
        (
            "01-who/exercise.ipynb",
            b"[" + b"{}," * 3 * 2**20,
            "larger than 8 MiB, the most a notebook may have",
        ),
    ],
)
def test_what_python_makes_too_much_of(path, content, expected):
    assert expected in message(make_files({path: content}))


def test_solutions_are_checked_too():
    assert "solution.ipynb" in message(make_files({"01-who/solution.ipynb": b"{}"}))


def test_a_notebook_of_another_writer():
    notebook = json.dumps(
        NOTEBOOK | {"metadata": {"kernelspec": {"name": "x", "display_name": "X"}}}, indent=4
    )
    assert parse_course(make_files({"01-who/exercise.ipynb": notebook.encode()}), "c")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"def user(:\n", "checks.py:1: not valid Python"),
        (b"x = 1\ndef user(\n", "checks.py:2: not valid Python"),
        (b"x\x00y", "not valid Python"),
        (b"(" * 5000, "not valid Python"),
        (b"\xff\xfe", "not valid Python"),
    ],
)
def test_broken_checks(content, expected):
    assert expected in message(make_files({"01-who/checks.py": content}))
