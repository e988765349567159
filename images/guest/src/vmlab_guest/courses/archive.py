"""Unpacking a course archive: only plain files below one folder, within limits.

`vmlab_protocol.archive` has the limits and reads the headers.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from vmlab_guest.errors import RefusedError
from vmlab_protocol.archive import DAMAGED, MAX_ENTRIES, CourseTar, is_plain_file
from vmlab_protocol.paths import path_problem

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


def unpack(archive: BinaryIO, digest: str, target: Path) -> None:
    """Unpack a `.tar.gz` into `target`, which appears complete or not at all.

    Args:
        archive: read from its current position.
        digest: SHA-256 of the uncompressed tar, hexadecimal.
        target: made by one rename; what was there before is replaced.

    Raises:
        RefusedError: the archive is damaged, too big, or holds what no course may hold.
        OSError: the disk is full or the like.
    """
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        with (work / "tar").open("w+b") as tar:
            found = _decompress(archive, tar)
            if found != digest:
                raise RefusedError(f"the archive's digest is {found}, the hub announced {digest}")
            tar.seek(0)
            tree = work / "tree"
            tree.mkdir(mode=0o755)
            _extract(tar, tree)
        if target.exists():
            target.rename(work / "old")
        tree.rename(target)
    finally:
        shutil.rmtree(work)


def _decompress(archive: BinaryIO, tar: BinaryIO) -> str:
    """Write the uncompressed tar and return its digest; never writes more than the limit."""
    inflate = zlib.decompressobj(wbits=31)  # one gzip member
    digest = hashlib.sha256()
    total = 0
    try:
        while data := archive.read(_CHUNK_BYTES):
            while data and not inflate.eof:
                piece = inflate.decompress(data, _CHUNK_BYTES)
                data = inflate.unconsumed_tail
                total += len(piece)
                if total > MAX_UNPACKED_BYTES:
                    raise RefusedError(
                        f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes"
                    )
                digest.update(piece)
                tar.write(piece)
    except zlib.error as error:
        raise RefusedError(f"the archive is damaged: {error}") from error
    if not inflate.eof:
        raise RefusedError("the archive is cut short")
    return digest.hexdigest()


def _extract(tar: BinaryIO, tree: Path) -> None:
    try:
        with CourseTar.open(fileobj=tar, mode="r:") as members:
            for count, member in enumerate(members):
                if count >= MAX_ENTRIES:
                    raise RefusedError(f"the archive holds more than {MAX_ENTRIES} entries")
                _extract_one(members, member, tree)
    except DAMAGED as error:
        raise RefusedError(f"the archive is damaged: {error}") from error


def _make_folder(place: Path, name: str) -> None:
    try:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RefusedError(f"the archive holds {name[:100]!r} twice") from error


def _extract_one(members: tarfile.TarFile, member: tarfile.TarInfo, tree: Path) -> None:
    name = member.name.removeprefix("./").rstrip("/")
    if name in {"", "."} and member.isdir():
        return
    if problem := path_problem(name):
        raise RefusedError(f"the archive holds the path {name[:100]!r}: {problem}")
    place = tree / name
    if member.isdir():
        _make_folder(place, name)
        return
    source = members.extractfile(member) if is_plain_file(member) else None
    if source is None:
        raise RefusedError(f"the archive holds something else than a file: {name[:100]!r}")
    try:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # "x": a name that comes twice is refused, and nothing below `tree` is a link.
        with place.open("xb") as file:
            shutil.copyfileobj(source, file)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise RefusedError(f"the archive holds {name[:100]!r} twice") from error
    place.chmod(0o644)
