"""What is at a place in a trainee's home, and putting a file there or beside it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vmlab_guest.courses.names import make_beside
from vmlab_guest.files import write_file
from vmlab_protocol.receipts import Reason

_MAX_BYTES = 64 * 1024 * 1024
"""More than any file of a course: what is larger was edited, and is not read to its end."""

_MAX_NAMES = 1000
_REASONS = {
    errno.ENOSPC: Reason.NO_ROOM,
    errno.EDQUOT: Reason.NO_ROOM,
    errno.EACCES: Reason.FORBIDDEN,
    errno.EPERM: Reason.FORBIDDEN,  # an immutable file or folder
    errno.EROFS: Reason.FORBIDDEN,
    errno.ENOTDIR: Reason.NOT_A_FOLDER,
    errno.EEXIST: Reason.NOT_A_FOLDER,
    errno.EISDIR: Reason.NOT_A_FILE,
}


@dataclass(frozen=True)
class Found:
    """What is at a place: nothing, a file with this digest, or something that cannot be read."""

    digest: str = ""
    obstacle: Reason | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing is there."""
        return not self.digest and self.obstacle is None


def digest_of(data: bytes) -> str:
    """Return how the record names this content."""
    return hashlib.sha256(data).hexdigest()


def look(home: Path, path: str) -> Found:
    """Look at a place; anything but a plain file (a pipe, a broken link) is not opened."""
    place = home / path
    if _is_blocked(home, PurePosixPath(path)):
        return Found(obstacle=Reason.NOT_A_FOLDER)
    try:
        place.lstat()
        if not place.is_file():
            return Found(obstacle=Reason.NOT_A_FILE)
        is_huge = place.stat().st_size > _MAX_BYTES
    except FileNotFoundError:
        return Found()
    except OSError as error:
        return Found(obstacle=reason_of(error))
    return Found("larger than any file of a course") if is_huge else _read(place)


def _read(place: Path) -> Found:
    try:
        with place.open("rb") as stream:
            return Found(hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError:
        return Found(obstacle=Reason.UNREADABLE)


def put(home: Path, path: str, text: bytes) -> Reason | None:
    """Write a file where nothing or an older text of ours is; return why it was not possible."""
    try:
        # Between the look and this rename a save could slip in; it would have to hit the same
        # millisecond, and Jupyter then asks the trainee because the file changed on disk.
        write_file(home / path, text, 0o644, durable=True)
    except OSError as error:
        return reason_of(error)
    return None


def put_beside(home: Path, path: str, version: int, text: bytes) -> tuple[str, Reason]:
    """Put a text beside what has its place, or beside the nearest folder where that is possible.

    `01/a.md` becomes `01/a.v2.md`, else `01.v2/a.md`: the first name that is free or holds it.

    Returns:
        Where in the home it lies; empty when there is no such place, and then why.
    """
    digest, problem = digest_of(text), Reason.FAILED
    parts = PurePosixPath(path).parts
    for level in range(len(parts), 0, -1):
        head, tail = PurePosixPath(*parts[:level]), parts[level:]
        if _is_blocked(home, head):
            continue
        for number in range(_MAX_NAMES):
            place = PurePosixPath(make_beside(head.as_posix(), version, number), *tail).as_posix()
            found = look(home, place)
            if found.digest == digest:
                return place, problem
            if found.is_free:
                failure = put(home, place, text)
                if failure is None:
                    return place, problem
                problem = failure
                break
            if found.obstacle in {Reason.FORBIDDEN, Reason.FAILED}:
                problem = found.obstacle
                break
        if problem is Reason.NO_ROOM:
            break
    return "", problem


def remove(home: Path, path: str, digests: Collection[str]) -> bool:
    """Remove a file that has one of these contents, then empty folders; tell whether it did.

    JupyterLab's copy of an untouched notebook goes, too.
    """
    place = home / path
    copy = place.parent / ".ipynb_checkpoints" / f"{place.stem}-checkpoint{place.suffix}"
    if look(home, path).digest not in digests or not _unlink(place, home):
        return False
    if look(home, copy.relative_to(home).as_posix()).digest in digests:
        _unlink(copy, home)
    return True


def _unlink(place: Path, home: Path) -> bool:
    try:
        place.unlink()
    except OSError:
        return False
    folder = place.parent
    while folder != home and not folder.is_symlink():
        try:
            folder.rmdir()
        except OSError:
            break  # something of the trainee's is in it, or it is not theirs to remove
        folder = folder.parent
    return True


def reason_of(error: OSError) -> Reason:
    """Return in one of our words why the system refused."""
    return _REASONS.get(error.errno or 0, Reason.FAILED)


def _is_blocked(home: Path, path: PurePosixPath) -> bool:
    """Whether something that is not a folder stands where a folder above `path` should be."""
    above = [home / parent for parent in path.parents if parent.name]
    return any(os.path.lexists(each) and not os.path.isdir(each) for each in above)  # noqa: PTH112 - says no instead of raising
