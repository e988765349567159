"""Courses as archives: the same content always gives the same bytes and the same digest. Pure.

The digest is the SHA-256 of the uncompressed tar, so it does not depend on a zlib version.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from dataclasses import dataclass

from vmlab.courses.folder import (
    MAX_FILES,
    MAX_TOTAL_BYTES,
    check_limits,
    is_delivered,
)
from vmlab.courses.model import CourseFiles
from vmlab.errors import CourseError

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
"""Limit of docs/protocols.md, section 2."""

MAX_ENTRIES = 5000
"""Folders included; what a machine takes, too."""

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

_HEADER_ROOM = 2048
"""Bytes of tar per file besides its content: header, extended header for long names, padding."""


@dataclass(frozen=True)
class Archive:
    """A packed course."""

    data: bytes  # .tar.gz
    digest: str  # 64 hexadecimal digits


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


def pack_course(files: CourseFiles) -> Archive:
    """Pack what goes to trainees: sorted names, no times, no owners, no solutions.

    Raises:
        CourseError: the archive is larger than the hub takes.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(filter(is_delivered, files)):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    raw = buffer.getvalue()
    data = gzip.compress(raw, mtime=0)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise CourseError(
            f"the packed course has {len(data) >> 20} MiB; at most "
            f"{MAX_ARCHIVE_BYTES >> 20} MiB are allowed",
            hint="put large data into the image or onto a shared disk",
        )
    return Archive(data, hashlib.sha256(raw).hexdigest())


def unpack_course(data: bytes) -> CourseFiles:
    """Read an archive from outside into memory, within the limits of `folder.py`.

    Raises:
        CourseError: it is no .tar.gz, is too large, or holds anything but regular files.
        ConfigError: a path or size is not allowed.
    """
    raw = _gunzip(data)
    files: dict[str, bytes] = {}
    try:
        with _Archive.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
            for number, entry in enumerate(tar):
                if number >= MAX_ENTRIES:
                    raise CourseError(f"the archive holds more than {MAX_ENTRIES} entries")
                if entry.isdir():
                    continue
                # A sparse entry claims bytes that are not in the archive: a way around the limit.
                if not entry.isreg() or entry.issparse():
                    raise CourseError(f"the archive holds {entry.name!r}, not a regular file")
                path = entry.name.removeprefix("./")
                if len(files) >= MAX_FILES:
                    raise CourseError(f"the archive holds more than {MAX_FILES} files")
                if path in files:
                    raise CourseError(f"the archive holds {path!r} twice")
                content = tar.extractfile(entry)
                files[path] = content.read() if content else b""
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as e:
        raise CourseError(f"not a readable tar archive: {e}") from e
    check_limits(files, "archive")
    return files


def _gunzip(data: bytes) -> bytes:
    """Decompress, refusing what grows beyond the limit instead of growing with it."""
    limit = MAX_TOTAL_BYTES + MAX_FILES * _HEADER_ROOM
    try:
        # wbits 31: gzip format. ref: https://docs.python.org/3/library/zlib.html#zlib.decompress
        decompressor = zlib.decompressobj(wbits=31)
        raw = decompressor.decompress(data, limit + 1)
    except zlib.error as e:
        raise CourseError(f"not a .tar.gz archive: {e}") from e
    if len(raw) > limit:
        raise CourseError(f"the archive unpacks to more than {limit >> 20} MiB")
    if not decompressor.eof:
        raise CourseError("the archive is cut short")
    if decompressor.unused_data:
        raise CourseError("the archive has data behind its end")
    return raw
