"""Writing files so that they are never seen half written."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace the file as one step: after a crash the old or the new content is there.

    The file has its mode before it has content, so that a secret is never readable meanwhile. A
    symbolic link at `path` is replaced, not followed.

    Args:
        durable: return only when the content would survive a power cut.

    Raises:
        OSError: as the system calls say, for instance when the disk is full; the old file stays.
    """
    # Neither by `tempfile` nor by `secrets`: importing those takes the agent a tenth of its time to
    # the first word. Without the file's own name, which may be as long as names can be.
    temporary = path.with_name(f".vmlab-{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
