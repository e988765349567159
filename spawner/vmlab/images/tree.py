"""An image's file tree as data, read from the tar that the build makes.

No privilege is needed and no file of the tree is ever executed or followed. Used by the checks
and to tell what differs between two builds.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vmlab.errors import ImageError

KEPT_BYTES = 8 * 1024 * 1024
KEPT = ("/boot/config-", "/etc/", "/home/", "/opt/vmlab/etc/", "/root/", "/usr/local/", "/var/lib/")
"""Files up to KEPT_BYTES below these are kept whole, so that checks can look into them."""


@dataclass(frozen=True)
class Entry:
    """One file, folder, link or device of the tree."""

    path: str  # absolute, "/" for the root
    kind: str  # "file", "dir", "link", "other"
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str = ""  # of a link
    sha256: str = ""  # of a file
    content: bytes | None = None  # of a file that is kept


def read_tree(tar: Path) -> dict[str, Entry]:
    """Return every entry of the tar by path.

    Raises:
        ImageError: the tar is damaged.
    """
    try:
        with tarfile.open(tar) as archive:
            return {entry.path: entry for entry in _entries(archive)}
    except (tarfile.TarError, OSError) as error:
        raise ImageError(f"{tar}: cannot be read as a tar: {error}") from error


def _absolute(name: str) -> str:
    inner = name.removeprefix("./").strip("/")
    return "/" if inner == "." else f"/{inner}"


def _entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    known: dict[str, Entry] = {}
    for member in archive:
        path = _absolute(member.name)
        if member.islnk():
            first = known[_absolute(member.linkname)]
            entry = Entry(**{**vars(first), "path": path})
        else:
            entry = _entry(archive, member, path)
        known[path] = entry
        yield entry


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Entry:
    kind = "other"
    sha256, content = "", None
    if member.isdir():
        kind = "dir"
    elif member.issym():
        kind = "link"
    elif member.isfile():
        kind = "file"
        stream = archive.extractfile(member)
        assert stream is not None  # noqa: S101 - isfile() says that it is one
        if member.size <= KEPT_BYTES and path.startswith(KEPT):
            content = stream.read()
            sha256 = hashlib.sha256(content).hexdigest()
        else:
            sha256 = _hash(stream)
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime=int(member.mtime),
        target=member.linkname if member.issym() else "",
        sha256=sha256,
        content=content,
    )


def _hash(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def extract(tar: Path, path: str, target: Path) -> None:
    """Write one regular file of the tar to `target`.

    Raises:
        ImageError: there is no such file.
    """
    with tarfile.open(tar) as archive:
        for member in archive:
            if _absolute(member.name) == path and member.isfile():
                stream = archive.extractfile(member)
                assert stream is not None  # noqa: S101 - isfile() says that it is one
                with target.open("wb") as output:
                    while block := stream.read(1 << 20):
                        output.write(block)
                return
    raise ImageError(f"{tar}: no file {path}")


def differences(one: Mapping[str, Entry], two: Mapping[str, Entry]) -> list[str]:
    """Return one line for each path that is not the same in both trees: what of it differs."""
    lines = []
    for path in sorted(one.keys() | two.keys()):
        first, second = one.get(path), two.get(path)
        if first is None or second is None:
            lines.append(f"{path}: only in the {'second' if first is None else 'first'}")
            continue
        fields = ["kind", "mode", "uid", "gid", "size", "mtime", "target", "sha256"]
        what = [f for f in fields if getattr(first, f) != getattr(second, f)]
        if what:
            lines.append(f"{path}: {', '.join(what)}")
    return lines
