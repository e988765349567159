"""Small file operations that more than one part needs."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

# The name may be somebody else's: follow no symbolic link, and do not block on a pipe.
_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file as one step: after a crash the old or the new content stands there.

    The file has its mode before it has content, so that a secret is never readable meanwhile.

    Raises:
        OSError: as the system calls say, for instance when the disk is full; the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _AS_IT_IS, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that somebody else may have made, and make sure that it is one.

    Raises:
        OSError: it is a link or cannot be opened.
        ValueError: it is a pipe, a device or the like.
    """
    descriptor = os.open(path, flags | _AS_IT_IS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is not a regular file")
    return descriptor


def read_end(path: Path, most_bytes: int) -> bytes:
    """Return the end of a file that somebody else writes, however large they made it.

    Raises:
        OSError, ValueError: as for `open_regular`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most_bytes))
        return file.read(most_bytes)
