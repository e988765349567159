"""What the shim opens as root and writes to as the machine's user.

That user cannot open, create or remove anything in the machine's folder. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_CONSOLE_BYTES = 256 * 1024
_BACKLOG = 128


@dataclass(frozen=True)
class OpenFiles:
    """Open files for the time when the shim cannot open any more."""

    console: int
    older_console: int
    exit_report: int
    memory: int  # -1: none


def open_files(console: Path, exit_report: Path, memory: str) -> OpenFiles:
    """Open what the machine's user cannot: it has no rights in the folder."""
    return OpenFiles(
        console=_open_anew(console),
        older_console=_open_anew(console.with_suffix(".log.1")),
        exit_report=_open_anew(exit_report),
        memory=os.open(memory, os.O_RDONLY) if memory else -1,
    )


def _open_anew(path: Path) -> int:
    """Make an empty file in the place of whatever has this name."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def listen(path: str) -> socket.socket:
    """Open a unix socket that nobody but its owner may connect to, in the place of an old one."""
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)
    return listener


async def keep_console(stream: asyncio.StreamReader, file: int, older: int) -> None:
    """Write the console to a file that never grows beyond half of the limit.

    What was in it then goes to the older one, so that together they hold its end.
    """
    written = 0
    while data := await stream.read(4096):
        # A full disk must not end the machine: its console is then lost, not its work.
        with contextlib.suppress(OSError):
            if written > _CONSOLE_BYTES // 2:
                full = os.pread(file, written, 0)
                os.ftruncate(older, os.pwrite(older, full, 0))
                os.ftruncate(file, 0)
                written = 0
            written += os.pwrite(file, data, written)
