"""Targets: a parser, what it may answer with, and the registry of all of them."""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import pkgutil
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

HERE = Path(__file__).parent

Run = Callable[[bytes], None]


class Broken(Exception):  # noqa: N818 - an answer that breaks the promise
    """A parser took an input and made something of it that breaks a promise."""


@dataclass(frozen=True)
class Target:
    """One parser, or a few that read the same thing.

    Args:
        name: of its folders in corpus/ and cases/.
        module: where its function is, for the process that runs it alone.
        function: reads an input; raises `Broken` where what it read breaks a promise.
        answers: the exceptions that say in words what is wrong. Any other one is a crash.
        parsers: `module:name` of what is tried; `test_table` sees that the corpus reaches them.
        is_text: whether it reads words and numbers (see `odd_tokens`) or raw bytes.
        most_bytes: how long inputs are.
    """

    name: str
    module: str
    function: Run
    answers: tuple[type[Exception], ...]
    parsers: tuple[str, ...]
    is_text: bool
    most_bytes: int

    def run(self, data: bytes) -> bool:
        """Try one input; return whether it was taken. Whatever else is raised is a crash."""
        try:
            self.function(data)
        except self.answers:
            return False
        return True

    def folder(self, kind: str) -> Path:
        """Return its folder in corpus/ or cases/, which need not be there."""
        return HERE / kind / self.name

    @property
    def corpus(self) -> list[Path]:
        """What fuzzing begins with."""
        return sorted(self.folder("corpus").iterdir())

    @property
    def cases(self) -> list[Path]:
        """Inputs that once broke it."""
        folder = self.folder("cases")
        return sorted(folder.iterdir()) if folder.is_dir() else []


_TARGETS: dict[str, Target] = {}


def target(
    name: str,
    *answers: type[Exception],
    parsers: tuple[str, ...],
    is_text: bool = True,
    most_bytes: int = 16 * 1024,
) -> Callable[[Run], Run]:
    """Make the decorated function a target; arguments as `Target`'s."""

    def note(function: Run) -> Run:
        if name in _TARGETS:
            raise ValueError(f"there are two targets {name!r}")
        module = function.__module__
        _TARGETS[name] = Target(name, module, function, answers, parsers, is_text, most_bytes)
        return function

    return note


@cache
def all_targets() -> dict[str, Target]:
    """Return all targets by name."""
    for module in pkgutil.iter_modules([str(HERE / "targets")]):
        importlib.import_module(f"fuzz.targets.{module.name}")
    return dict(sorted(_TARGETS.items()))


def targets_of(module: str) -> dict[str, Target]:
    """Return the targets of one module without importing the others."""
    importlib.import_module(module)
    return dict(_TARGETS)


def check(promise: bool, what: object) -> None:
    """Raise `Broken` unless the promise is kept."""
    if not promise:
        raise Broken(what)


def check_text(*texts: str) -> None:
    """See that texts can be shown and written: no control characters, no lone surrogates."""
    for text in texts:
        check(text.isprintable(), f"{text!r} is not printable")
        text.encode()


@cache
def scratch(name: str) -> Path:
    """Return a folder for a target's files, gone with the process."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the targets that need one; making one takes longer than an input."""
    return asyncio.new_event_loop()


def open_nowhere() -> BinaryIO:
    """Return a file whose writing end an asyncio stream can have, and that nobody reads."""
    return Path(os.devnull).open("wb")
