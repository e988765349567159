"""Unpacking a course archive: only plain files below one folder, within limits.

The hub is trusted more than a trainee, but whoever may publish a course must not thereby write
anywhere in every machine of a class.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from vmlab_guest.courses.paths import path_problem
from vmlab_guest.errors import RefusedError

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_ENTRIES = 5000
_CHUNK_BYTES = 64 * 1024
_MAX_LONG_NAME = 2048
_MAX_LONG_NAMES = 4 * 1024 * 1024
_LONG_NAMES = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)


class _Entry(tarfile.TarInfo):
    """An entry of an archive from outside; the headers before it are limited.

    They hold long names. Python before 3.11.10 searches them in a time that grows with the square
    of their length (CVE-2024-6232), and they may follow each other without end.
    """

    def _proc_member(self, tar: _Archive) -> tarfile.TarInfo:
        # tarfile's own hook for subclasses; typeshed does not know it.
        if self.size < 0:  # would loop endlessly (CVE-2025-8194)
            raise tarfile.ReadError(f"an entry of {self.size} bytes")
        if self.type in _LONG_NAMES:
            tar.long_names_bytes += tarfile.BLOCKSIZE + self.size
            if self.size > _MAX_LONG_NAME or tar.long_names_bytes > _MAX_LONG_NAMES:
                raise tarfile.ReadError("it holds more long file names than it may")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


class _Archive(tarfile.TarFile):
    """An archive from outside, to be read within limits."""

    tarinfo = _Entry
    long_names_bytes = 0


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
        with _Archive.open(fileobj=tar, mode="r:") as members:
            for count, member in enumerate(members):
                if count >= MAX_ENTRIES:
                    raise RefusedError(f"the archive holds more than {MAX_ENTRIES} entries")
                _extract_one(members, member, tree)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
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
    # A sparse file may claim terabytes that the archive need not hold.
    plain = member.isreg() and not member.issparse()
    source = members.extractfile(member) if plain else None
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
