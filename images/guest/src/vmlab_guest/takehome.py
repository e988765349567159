"""A home folder as an archive, made while it is sent: nothing is kept in memory or on disk."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

LEFT_OUT = frozenset({".cache", ".local/share/Trash", "lost+found"})
"""Of the home itself: what is made again by itself, or was thrown away."""

NOTE = "NOT-IN-THIS-ARCHIVE.txt"
_CHUNK_BYTES = 256 * 1024


def write_archive(home: Path, name: str, write: Callable[[bytes], object]) -> list[str]:
    """Write the home as .tar.gz; return what could not be read, which the archive names too.

    Files may change, grow, shrink and vanish meanwhile. Other file systems are left out.

    Args:
        home: the folder.
        name: of the folder in the archive.
        write: takes the archive piece by piece; what it raises ends the work.
    """
    problems: list[str] = []
    with tarfile.open(fileobj=_Sink(write), mode="w|gz", bufsize=_CHUNK_BYTES) as archive:
        for path in _walk(home, problems):
            within = path.relative_to(home)
            try:
                _add(archive, path, f"{name}/{within}", problems)
            except OSError as error:
                problems.append(f"{within}: {error.strerror or error}")
        if problems:
            note = "".join(f"{_printable(line)}\n" for line in problems).encode()
            info = tarfile.TarInfo(f"{name}/{NOTE}")
            info.size, info.mtime = len(note), int(time.time())
            archive.addfile(info, io.BytesIO(note))
    return problems


def _walk(home: Path, problems: list[str]) -> Iterator[Path]:
    device = home.stat().st_dev
    todo = [home]
    while todo:
        folder = todo.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(f"{folder.relative_to(home)}: {error.strerror or error}")
            continue
        for entry in entries:
            path = Path(entry.path)
            if str(path.relative_to(home)) in LEFT_OUT:
                continue
            yield path
            if entry.is_dir(follow_symlinks=False) and entry.stat().st_dev == device:
                todo.append(path)


def _add(archive: tarfile.TarFile, path: Path, name: str, problems: list[str]) -> None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        info = archive.gettarinfo(path, name)
        if info is not None:  # a socket cannot be taken home
            archive.addfile(info)
        return
    # Before anything of it is in the archive: a file that cannot be read leaves no trace there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        archive.inodes.clear()  # type: ignore[attr-defined]  # each file whole, also one of two names
        info = archive.gettarinfo(arcname=name, fileobj=stream)
        if info.isreg():
            padded = _Padded(stream, info.size)
            archive.addfile(info, padded)
            if padded.missing:
                problems.append(f"{name}: it became shorter; its end is filled with zeros")


class _Padded:
    """A file that gives as many bytes as it had when it was opened, whatever happens to it."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size
        self.missing = 0

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        self.missing += wanted - len(data)
        self._left -= wanted
        return data + bytes(wanted - len(data))


class _Sink(io.RawIOBase):
    """Hands on what is written."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile writes bytes
        self._write(bytes(data))
        return len(data)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "·" for char in text)
