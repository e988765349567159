"""Bringing files and folders back from a snapshot into the home; whatever they replace is kept.

Runs as the trainee. Each file appears by one rename, so that it is the old or the new one whenever
the work is cut off, and what it replaces stays beside it as `report.kept-20261127T150405.ipynb`.
Files that the snapshot does not have are left alone.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vmlab_guest.errors import AgentError
from vmlab_guest.lookback import Kind, find_in, kind_of, split_path

_CHUNK_BYTES = 2**20
_MAX_TOLD = 500  # kept files, and failures
_NAME_BYTES = 255
_ENDING_CHARS = 16
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Failure:
    """What could not be brought back."""

    path: str
    why: str


@dataclass
class Restored:
    """What a restore did; paths are within the home."""

    restored: int = 0
    unchanged: int = 0
    kept: list[str] = field(default_factory=list)  # where what was replaced is now
    failed: list[Failure] = field(default_factory=list)
    is_full: bool = False  # the disk; nothing more was tried then


def restore(top: Path, home: Path, paths: Sequence[str], stamp: str) -> Restored:
    """Bring paths of a snapshot back into a home; the empty path stands for everything.

    A folder is brought back file by file. What fails is told and does not stop the rest, but a
    full disk does.

    Args:
        top: the snapshot; it does not change meanwhile.
        home: where to.
        paths: within both.
        stamp: what is put into the name of what is replaced.
    """
    work = _Work(top, home, stamp)
    for path in paths:
        work.bring(path)
        if work.done.is_full:
            break
    work.finish_folders()
    return work.done


def make_kept_name(name: str, stamp: str, number: int = 0) -> str:
    """Return what a replaced file is called: its ending stays, so that it opens as before."""
    stem, ending = Path(name).stem, Path(name).suffix
    if len(ending) > _ENDING_CHARS:
        stem, ending = name, ""
    mark = f".kept-{stamp}" + (f"-{number}" if number else "")
    while len(os.fsencode(stem + mark + ending)) > _NAME_BYTES:
        stem = stem[:-1]
    return f"{stem}{mark}{ending}"


class _Work:
    def __init__(self, top: Path, home: Path, stamp: str) -> None:
        self.done = Restored()
        self._top = top
        self._home = home
        self._stamp = stamp
        self._made: list[tuple[Path, os.stat_result]] = []  # folders that still lack their mode

    def bring(self, path: str) -> None:
        """Bring back one path and all below it."""
        try:
            source = find_in(self._top, path)
            self._make_way(path)
        except (AgentError, OSError) as error:
            self._fail(path, error)
            return
        todo = [(source, self._home / path)]
        while todo and not self.done.is_full:
            source, target = todo.pop()
            try:
                if self._bring_one(source, target):
                    todo += [(p, target / p.name) for p in self._list(source)]
            except OSError as error:
                self._fail(self._within(target), error)

    def finish_folders(self) -> None:
        """Give new folders the modes and times that they had; only now all is in them."""
        for path, status in reversed(self._made):
            with suppress(OSError):  # its content is there, which is what counts
                path.chmod(stat.S_IMODE(status.st_mode) & 0o777)
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _list(self, folder: Path) -> list[Path]:
        paths = sorted(folder.iterdir(), reverse=True)
        return [p for p in paths if folder != self._top or p.name != "lost+found"]

    def _make_way(self, path: str) -> None:
        """Make the folders that lead to a path."""
        source, target = self._top, self._home
        for part in split_path(path)[:-1]:
            source, target = source / part, target / part
            self._make_folder(source, target)

    def _bring_one(self, source: Path, target: Path) -> bool:
        """Bring back what is at one place; return whether it is a folder."""
        kind = kind_of(source.lstat().st_mode)
        if kind is Kind.FOLDER:
            if target != self._home:
                self._make_folder(source, target)
            return True
        if kind is Kind.FILE:
            self._bring_file(source, target)
        elif kind is Kind.LINK:
            self._bring_link(source, target)
        else:
            self._fail(self._within(target), OSError(errno.EINVAL, "neither file, folder nor link"))
        return False

    def _make_folder(self, source: Path, target: Path) -> None:
        if _kind_at(target) is Kind.FOLDER:
            return
        self._set_aside(target)
        target.mkdir(mode=0o700)
        self._made.append((target, source.lstat()))

    def _bring_file(self, source: Path, target: Path) -> None:
        with source.open("rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            if _kind_at(target) is Kind.FILE and _is_same(stream.fileno(), status, target):
                self.done.unchanged += 1
                return
            new = _free_name(target)
            try:
                _copy(stream.fileno(), status, new)
                self._put(new, target)
            except BaseException:
                new.unlink(missing_ok=True)
                raise

    def _bring_link(self, source: Path, target: Path) -> None:
        leads_to = source.readlink()
        if _kind_at(target) is Kind.LINK and target.readlink() == leads_to:
            self.done.unchanged += 1
            return
        new = _free_name(target)
        new.symlink_to(leads_to)
        try:
            self._put(new, target)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _put(self, new: Path, target: Path) -> None:
        """Put a new file or link in its place; what is there stays under another name."""
        if _kind_at(target) is not Kind.FILE:
            self._set_aside(target)
            new.rename(target)
        else:
            self._note_kept(self._keep(target))
            new.replace(target)
        self.done.restored += 1

    def _keep(self, target: Path) -> Path:
        """Give a file a second name, so that its own is never missing."""
        kept = self._find_kept_name(target)
        try:
            kept.hardlink_to(target)
        except OSError:  # somebody else's file, or a file system without second names
            target.rename(kept)
        return kept

    def _set_aside(self, target: Path) -> None:
        if _kind_at(target) is not None:
            self._note_kept(target.rename(self._find_kept_name(target)))

    def _find_kept_name(self, target: Path) -> Path:
        names = (make_kept_name(target.name, self._stamp, n) for n in itertools.count())
        return next(p for p in map(target.with_name, names) if not os.path.lexists(p))

    def _note_kept(self, kept: Path) -> None:
        if len(self.done.kept) < _MAX_TOLD:
            self.done.kept.append(self._within(kept))

    def _fail(self, path: str, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            self.done.is_full = True
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if len(self.done.failed) < _MAX_TOLD:
            self.done.failed.append(Failure(path, why))

    def _within(self, path: Path) -> str:
        return str(path.relative_to(self._home))


def _kind_at(path: Path) -> Kind | None:
    try:
        return kind_of(path.lstat().st_mode)
    except FileNotFoundError:
        return None


def _free_name(target: Path) -> Path:
    """Return the name of a file in the making, beside the one that it will be."""
    new = target.with_name(f".vmlab-restore-{os.getpid()}-{threading.get_native_id()}")
    new.unlink(missing_ok=True)  # of a process that was killed
    return new


def _is_same(source: int, status: os.stat_result, target: Path) -> bool:
    now = target.lstat()
    if now.st_size != status.st_size or (now.st_mode ^ status.st_mode) & 0o777:
        return False
    # A snapshot is the same file system at another time: then this very file was not touched.
    if (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
    ):
        return True
    descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for at in range(0, status.st_size, _CHUNK_BYTES):
            if os.pread(source, _CHUNK_BYTES, at) != os.pread(descriptor, _CHUNK_BYTES, at):
                return False
    finally:
        os.close(descriptor)
    return True


def _copy(source: int, status: os.stat_result, new: Path) -> None:
    """Write a file with this content, mode and time; its holes stay holes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600)
    try:
        os.ftruncate(descriptor, status.st_size)
        at = 0
        while at < status.st_size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole follows
                    break
                raise
            end = os.lseek(source, at, os.SEEK_HOLE)
            while at < end:
                piece = os.pread(source, min(_CHUNK_BYTES, end - at), at)
                if not piece:
                    raise OSError(errno.EIO, "the snapshot ends too early")
                at += os.pwrite(descriptor, piece, at)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o777)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(descriptor)
