"""Browsing a mounted snapshot: nothing in it changes, and no link in it is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmlab_guest.errors import AgentError
from vmlab_guest.mounts import find_mounted
from vmlab_guest.snapshots import FOLDER
from vmlab_protocol.snapshots import is_snapshot_id

_MAX_PARTS = 200


class LookError(AgentError):
    """What was asked for is not in the snapshot, or there is no such snapshot here."""


class Kind(StrEnum):
    """What is at a place."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"  # a pipe, a socket, a device


@dataclass(frozen=True)
class Entry:
    """One name in a folder of a snapshot."""

    name: str
    kind: Kind
    size_bytes: int
    changed_s: float  # seconds since the epoch


@dataclass(frozen=True)
class Listing:
    """A folder's entries, folders first."""

    entries: tuple[Entry, ...]
    is_cut: bool = False  # there are more


def find_shown(root: Path) -> str:
    """Return the id of the snapshot that is mounted; empty when none is.

    Raises:
        OSError: /proc cannot be read.
    """
    mountinfo = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    for line in reversed(mountinfo.splitlines()):
        place, _, name = line.split()[4].rpartition("/")
        if place == FOLDER and is_snapshot_id(name):
            return name
    return ""


def find_snapshot(root: Path, snapshot: str) -> Path:
    """Return where a snapshot is mounted.

    Raises:
        LookError: it is not; it has to be opened first.
        OSError: /proc cannot be read.
    """
    if not is_snapshot_id(snapshot):
        raise LookError(f"{snapshot[:40]!r} is not a name of a snapshot")
    mountinfo = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    if find_mounted(mountinfo, f"{FOLDER}/{snapshot}") is None:
        raise LookError(f"the snapshot {snapshot} is not open in this machine; open it first")
    return root / FOLDER.lstrip("/") / snapshot


def split_path(path: str) -> tuple[str, ...]:
    """Return the parts of a path within a home, none of which leads out of it.

    Raises:
        LookError: it is absolute, or has a part that no file can be called by.
    """
    parts = tuple(path.split("/")) if path else ()
    if len(parts) > _MAX_PARTS or any(p in {"", ".", ".."} or "\0" in p for p in parts):
        raise LookError(f"{path[:80]!r} is not a path within your home folder")
    return parts


def find_in(top: Path, path: str) -> Path:
    """Return the place of a path below `top`; only folders lead there, never links.

    `top` must not change meanwhile, which holds for a snapshot.

    Raises:
        LookError: it is not a valid path, or there is nothing.
    """
    place = top
    parts = split_path(path)
    try:
        for part in parts:
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise LookError(f"{path[:80]!r} is not in this snapshot")
            place /= part
        place.lstat()
    except (OSError, ValueError) as error:
        raise LookError(f"{path[:80]!r} cannot be looked at in this snapshot: {error}") from error
    return place


def list_folder(top: Path, path: str, most: int = 5000) -> Listing:
    """Return what is in a folder of a snapshot.

    Raises:
        LookError: there is no such folder, or the trainee may not look into it.
    """
    folder = find_in(top, path)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise LookError(f"{path[:80]!r} is not a folder in this snapshot")
    try:
        with os.scandir(folder) as scan:
            names = sorted(entry.name for entry in scan)
    except OSError as error:
        raise LookError(f"{path[:80]!r} cannot be looked into: {error.strerror}") from error
    if not path:
        names = [name for name in names if name != "lost+found"]
    entries = sorted(_look_at(folder, names[:most]), key=lambda e: e.kind is not Kind.FOLDER)
    return Listing(tuple(entries), is_cut=len(names) > most)


def _look_at(folder: Path, names: list[str]) -> Iterator[Entry]:
    for name in names:
        status = (folder / name).lstat()
        yield Entry(name, kind_of(status.st_mode), status.st_size, status.st_mtime)


def kind_of(mode: int) -> Kind:
    """Return what has this mode (inode(7))."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER
