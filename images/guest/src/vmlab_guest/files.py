"""Writing files so that they are never seen half written, and only when they change."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def ensure_file(path: Path, text: str, mode: int = 0o644) -> bool:
    """Make `path` hold exactly `text` with this mode; return whether its text changed.

    Atomic: readers see the old or the new file. Missing folders are made, mode 0755. A symbolic
    link at `path` is replaced, not followed.
    """
    try:
        same = not path.is_symlink() and path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        same = False
    if same:
        path.chmod(mode)
        return False
    write_atomically(path, text.encode(), mode)
    return True


def write_atomically(path: Path, data: bytes, mode: int, *, durable: bool = False) -> None:
    """Replace `path` by a file with this content; secret from the first byte on if `mode` is.

    Args:
        durable: return only when the content would survive a power cut.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Not by `tempfile`: importing it takes the agent a tenth of its time to the first word.
    new = path.with_name(f".vmlab-{os.getpid()}-{threading.get_native_id()}")
    new.unlink(missing_ok=True)  # of a process that was killed, in an earlier boot
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as stream:  # noqa: PTH123 - a descriptor, not a path
            stream.write(data)
            stream.flush()
            os.fchmod(fd, mode)
            if durable:
                os.fsync(fd)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
