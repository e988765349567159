"""What checks are written with: a step's function returns an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

DEADLINE_S = 20.0

Check = TypeVar("Check", bound=Callable[..., "Outcome"])

memory: dict[str, Any] = {}
"""What checks remember for each other while the kernel lives, such as a process that was seen."""


@dataclass(frozen=True)
class Outcome:
    """A step's result in words, in both languages; `text` in backquotes is shown as code."""

    passed: bool
    en: str
    fr: str


def passed(en: str = "", fr: str = "") -> Outcome:
    """Return that the step is done, with an optional remark."""
    return Outcome(passed=True, en=en, fr=fr)


def failed(en: str, fr: str) -> Outcome:
    """Return that the step is not done, with a hint that brings the trainee further."""
    return Outcome(passed=False, en=en, fr=fr)


def step(name: str, *, deadline_s: float = DEADLINE_S) -> Callable[[Check], Check]:
    """Mark a function of checks.py as the check of the step `name` of course.toml.

    Its parameters are what the trainee hands over: `check("user", answer)` calls it with `answer`.

    Args:
        deadline_s: how long it may take before the trainee is told that it took too long.
    """

    def mark(function: Check) -> Check:
        function.lab_step = name  # type: ignore[attr-defined]  # a mark for `find_step`
        function.lab_deadline_s = deadline_s  # type: ignore[attr-defined]
        return function

    return mark
