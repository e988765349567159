"""The host's processes, for tests that look for one of theirs, or for what is left of them."""

from __future__ import annotations

import contextlib
import subprocess
from typing import Final

import psutil

SERVER_STOP_S: Final = 15.0  # TimeoutStopSec of vmlab-server.service, in a machine


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """End a Jupyter server as a machine does.

    Now and then its shutdown waits for ever for a kernel that has ended: then it is killed.
    """
    process.terminate()
    try:
        process.wait(SERVER_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def command_lines() -> list[tuple[psutil.Process, str]]:
    """All processes of the host that still run, with their command lines and folders."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd()]
            found.append((process, " ".join(words)))
    return found
