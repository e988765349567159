"""A course as its folder says it: frozen facts, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CourseFiles = Mapping[str, bytes]
"""The content of a course folder: relative paths with `/`, and what is in each file."""


@dataclass(frozen=True)
class Title:
    """A title in both languages."""

    en: str
    fr: str


@dataclass(frozen=True)
class Step:
    """A step of an exercise; a check in its exercise's checks.py carries the same name."""

    name: str
    title: Title


@dataclass(frozen=True)
class Exercise:
    """A folder with a notebook, its checks and, for trainers, its solution."""

    folder: str
    title: Title
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Course:
    """A course: its exercises in the order in which trainees meet them."""

    name: str
    title: Title
    exercises: tuple[Exercise, ...]
