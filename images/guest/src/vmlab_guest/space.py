"""What takes the space in a home: its largest entries and files, found within limits."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system (inode(7))


@dataclass(frozen=True)
class Entry:
    """A file or folder, by its path within the home."""

    path: str
    size_bytes: int  # that it takes on the disk, all that is in it included


@dataclass(frozen=True)
class Usage:
    """How full a home is, and of what."""

    total_bytes: int
    free_bytes: int  # for the trainee
    entries: tuple[Entry, ...]  # of the home itself, the largest first
    files: tuple[Entry, ...]  # the largest, wherever they are
    is_complete: bool  # False: there was more than could be looked at


def find_usage(home: Path, *, limit_s: float, most: int = 1_000_000, shown: int = 8) -> Usage:
    """Look through a home; other file systems below it are left out, links not followed.

    Args:
        home: what is mounted there.
        limit_s: how long to look.
        most: files and folders to look at.
        shown: how many entries and files are returned.

    Raises:
        OSError: there is no such folder.
    """
    place = os.statvfs(home)
    looks = _Looks(home.stat().st_dev, time.monotonic() + limit_s, most)
    entries = []
    for entry in sorted(os.scandir(home), key=lambda entry: entry.name):
        size = sum(looks.sizes(entry.path, entry.name))
        entries.append(Entry(entry.name, size))
    return Usage(
        total_bytes=place.f_blocks * place.f_frsize,
        free_bytes=place.f_bavail * place.f_frsize,
        entries=tuple(heapq.nlargest(shown, entries, key=lambda entry: entry.size_bytes)),
        files=tuple(
            Entry(path, size) for size, path in heapq.nlargest(shown, looks.largest) if size
        ),
        is_complete=not looks.is_over,
    )


class _Looks:
    """Visits files until there are too many or time is up; a file with two names counts once."""

    def __init__(self, device: int, end_s: float, most: int) -> None:
        self._device = device
        self._end_s = end_s
        self._left = most
        self._seen: set[int] = set()
        self.largest: list[tuple[int, str]] = []
        self.is_over = False

    def sizes(self, path: str, name: str) -> Iterator[int]:
        """Yield the size of each file and folder at and below `path`."""
        todo = [(path, name)]
        while todo:
            path, name = todo.pop()
            self._left -= 1
            if self._left < 0 or time.monotonic() > self._end_s:
                self.is_over = True
                return
            try:
                status = os.lstat(path)
                if status.st_dev != self._device or status.st_ino in self._seen:
                    continue
                if status.st_nlink > 1:
                    self._seen.add(status.st_ino)
                size = status.st_blocks * _BLOCK_BYTES
                yield size
                if (status.st_mode & 0o170000) == 0o040000:
                    todo += [(e.path, f"{name}/{e.name}") for e in os.scandir(path)]
                else:
                    self._note(size, name)
            except OSError:
                continue  # deleted meanwhile, or not ours to read

    def _note(self, size: int, name: str) -> None:
        heapq.heappush(self.largest, (size, name))
        if len(self.largest) > 50:
            heapq.heappop(self.largest)


def show_bytes(size: int) -> str:
    """Return a size for people, for instance `1.5 MiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def show_path(path: str, most: int = 60) -> str:
    """Return a path in the home for people: printable and not too long."""
    clean = "".join(char if char.isprintable() else "·" for char in path)
    return f"~/{clean}" if len(clean) <= most else f"~/{clean[: most - 1]}…"
