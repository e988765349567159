"""The hub's log as a file of bounded size.

Hub and proxy inherit one descriptor for all they write, and `vmlab up` may be gone: so nobody can
open another file for them, and a pipe would need a reader that never ends. The file is truncated in
place instead; it is written in append mode, so the next line is at its new beginning.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Final

from vmlab.system.background import Job, begin

MAX_BYTES: Final = 8 * 2**20
"""Of the file, and of the older part beside it; a second's lines may come on top."""

_POLL_S: Final = 1.0
_STDERR: Final = 2


def older_part(path: Path) -> Path:
    """Return where the lines before the last emptying are."""
    return path.with_name(f"{path.name}.1")


def tidy(path: Path, most_bytes: int = MAX_BYTES) -> bool:
    """Empty the file when it is too large, and keep its end beside it; tell whether it was.

    Lines that are written in the instant between copying and emptying are lost.

    Raises:
        OSError: it cannot be emptied, or (then it is empty) its end could not be kept.
    """
    try:
        file = path.open("rb+")
    except FileNotFoundError:
        return False
    with file:
        size = os.fstat(file.fileno()).st_size
        if size <= most_bytes:
            return False
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                file.seek(size - most_bytes)
                shutil.copyfileobj(file, target)
            temporary.replace(older_part(path))
        finally:
            temporary.unlink(missing_ok=True)
            file.truncate(0)
    return True


def keep_log(path: Path) -> None:
    """Keep this process's log tidy from now on; no-op when it does not write there.

    Args:
        path: in the state folder.
    """
    if _is_ours(path):
        begin(path.parent, Job("log file", partial(asyncio.to_thread, tidy, path), _POLL_S))


def _is_ours(path: Path) -> bool:
    """Tell whether standard error ends in this file, in append mode: else there would be a hole."""
    try:
        same = os.path.samestat(os.fstat(_STDERR), path.stat())
    except OSError:
        return False
    return same and bool(fcntl.fcntl(_STDERR, fcntl.F_GETFL) & os.O_APPEND)
