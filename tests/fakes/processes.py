"""The host's processes, for tests that look for one of theirs, or for what is left of them."""

from __future__ import annotations

import contextlib

import psutil


def command_lines() -> list[tuple[psutil.Process, str]]:
    """All processes of the host that still run, with their command lines and folders."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd()]
            found.append((process, " ".join(words)))
    return found
