"""Small file operations that more than one part needs."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

from vmlab.system.environment import tool_environment

# The name may be somebody else's: follow no symbolic link, and do not block on a pipe.
_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def move(source: Path, target: Path) -> None:
    """Rename a file or folder that is not in use, even to another file system.

    There it appears by a rename, too, once its copy is whole: holes stay holes, owners and modes
    stay. A crash may leave the copy's beginning, which the next attempt replaces, or both.

    Raises:
        OSError: it cannot be moved; nothing has changed.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    words = ["cp", "--archive", "--sparse=always", "--no-target-directory", "--"]
    done = subprocess.run(
        [*words, str(source), str(partial)],
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        _remove(partial)
        message = done.stderr.decode(errors="replace").strip()
        raise OSError(errno.EIO, f"copy to another file system failed: {message}", str(target))
    partial.rename(target)
    _remove(source)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
