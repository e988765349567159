"""A provider from elsewhere, installed as anybody would install it, beside VMLab.

folder = install_processes(tmp_path)
with plugged_in(folder): ...  # this process, and those that it starts
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path

import pytest

from vmlab.lab.provider_options import default_provider, installed_points, installed_providers

_TESTS = Path(__file__).parents[1]
_SOURCES = (_TESTS / "process_provider", _TESTS.parent / "images/guest")  # its machines have agents
_LIMIT_S = 300


def install_processes(folder: Path) -> Path:
    """Install the distribution of tests/process_provider there; return the folder."""
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    words += ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*words, *map(str, _SOURCES)], check=True, timeout=_LIMIT_S)
    return folder


@contextmanager
def plugged_in(folder: Path) -> Iterator[None]:
    """Have Python find what is installed there, here and in new processes."""
    sys.path.insert(0, str(folder))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
            look_again()
            yield
    finally:
        sys.path.remove(str(folder))
        look_again()


def look_again() -> None:
    """Forget which providers are installed."""
    invalidate_caches()
    for found in (installed_points, installed_providers, default_provider):
        found.cache_clear()
