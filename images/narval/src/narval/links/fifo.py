"""Links on one host: a named pipe for each reader of a buffer."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from narval.errors import NarvalError
from narval.links.frame import LinkCutError

_LARGEST = Path("/proc/sys/fs/pipe-max-size")
_PAGE_BYTES = 4096


def make_fifo(path: Path) -> None:
    """Make a named pipe that only this user may open; one of an earlier process is replaced.

    Raises:
        NarvalError: it cannot be made.
    """
    try:
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    except OSError as error:
        raise NarvalError(f"the pipe {path} cannot be made: {error.strerror}") from error


def open_to_read(path: Path) -> int:
    """Open a named pipe without waiting for its writer.

    Raises:
        NarvalError: it is not there, or it is not a pipe.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NarvalError(f"the pipe {path} cannot be opened: {error.strerror}") from error


def open_to_write(path: Path, size_bytes: int) -> int:
    """Open a named pipe whose reader is there, and have it hold as much as a buffer.

    Raises:
        LinkCutError: nobody reads it.
        NarvalError: it is not there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise LinkCutError(f"the pipe {path}: its reader has not opened it") from error
        raise NarvalError(f"the pipe {path} cannot be opened: {error.strerror}") from error
    # Beyond the limit, or the user's sum of all pipes: the kernel's own size stays.
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, capacity_for(size_bytes))
    return descriptor


def capacity_for(size_bytes: int) -> int:
    """Return the size to ask for, which the kernel rounds up to a power of two pages."""
    try:
        largest = int(_LARGEST.read_text())
    except (OSError, ValueError):
        largest = 2**20
    return max(_PAGE_BYTES, min(size_bytes, largest))
