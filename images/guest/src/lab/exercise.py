"""Finding the exercise a notebook belongs to, and the checks of its original."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from lab.outcome import Outcome
from vmlab_protocol.courses import is_course_name


@dataclass(frozen=True)
class Exercise:
    """A delivered exercise; `original` is its folder that only root can change."""

    course: str
    folder: str
    version: int
    original: Path


def find_exercise(start: Path, courses: Path) -> Exercise | None:
    """Return the exercise whose copy holds the folder `start`, or None.

    The newest version with this exercise counts: an edited notebook of an older version is
    checked by the newest checks.
    """
    for folder in (start, *start.parents):
        course = folder.parent.name
        if not folder.name or not is_course_name(course):
            continue
        for version in _versions(courses / course):
            original = courses / course / str(version) / folder.name
            if (original / "checks.py").is_file():
                return Exercise(course, folder.name, version, original)
    return None


def load_steps(exercise: Exercise) -> dict[str, Callable[..., Outcome]]:
    """Return the checks of an exercise by the name of their step, read from disk each time.

    Raises:
        Exception: whatever the file raises when it is run.
    """
    path = exercise.original / "checks.py"
    name = f"lab_checks_{exercise.course}_{exercise.folder}"
    spec = spec_from_loader(name, _Loader(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is run
    spec.loader.exec_module(module)
    return {value.lab_step: value for value in vars(module).values() if hasattr(value, "lab_step")}


class _Loader(SourceFileLoader):
    """Writes no bytecode next to the original."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Keep nothing."""


def _versions(folder: Path) -> list[int]:
    """Return the delivered versions, newest first."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)
