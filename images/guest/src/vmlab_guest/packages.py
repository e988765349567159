"""What the installed packages offer, read once for all servers of this machine.

A starting server asks eight times for entry points, and each time `importlib.metadata` reads a
file of every installed package: a quarter of the start.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any

_scan: Callable[..., Any] = importlib.metadata.entry_points  # typed for older Pythons


def keep_entry_points() -> None:
    """Have `importlib.metadata.entry_points` read all packages again only after one was installed.

    To be called before the modules that use it are imported.
    """
    importlib.metadata.entry_points = _entry_points  # type: ignore[assignment]


def _entry_points(**wanted: Any) -> EntryPoints:
    return _scan_at(tuple(sys.path), _look_at_folders()).select(**wanted)


@functools.lru_cache(maxsize=1)
def _scan_at(path: tuple[str, ...], times: tuple[int, ...]) -> EntryPoints:  # noqa: ARG001 - the key
    found: EntryPoints = _scan()
    return found


def _look_at_folders() -> tuple[int, ...]:
    """Return when something was last added to or removed from each folder of packages."""
    times = []
    for folder in sys.path:
        with suppress(OSError):  # a zip file of the standard library that is not there
            times.append(Path(folder).stat().st_mtime_ns)
    return tuple(times)
