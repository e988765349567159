"""Errors that people read: what failed, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class NarvalError(Exception):
    """Base of all errors of this package; its text is for people."""


class Mistake(NamedTuple):
    """Something wrong in a file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class TopologyError(NarvalError):
    """A topology that cannot be used; names every mistake in it."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        super().__init__("\n".join(map(str, self.mistakes)))
