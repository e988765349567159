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
from vmlab_protocol.archive import (
    DAMAGED,
    MAX_ARCHIVE_BYTES,
    MAX_ENTRIES,
    CourseTar,
    is_plain_file,
)

_HEADER_ROOM = 2048
"""Bytes of tar per file besides its content: header, extended header for long names, padding."""


@dataclass(frozen=True)
class Archive:
    """A packed course."""

    data: bytes  # .tar.gz
    digest: str  # 64 hexadecimal digits


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
        with CourseTar.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
            for number, entry in enumerate(tar):
                if number >= MAX_ENTRIES:
                    raise CourseError(f"the archive holds more than {MAX_ENTRIES} entries")
                if entry.isdir():
                    continue
                if not is_plain_file(entry):
                    raise CourseError(f"the archive holds {entry.name!r}, not a regular file")
                path = entry.name.removeprefix("./")
                if len(files) >= MAX_FILES:
                    raise CourseError(f"the archive holds more than {MAX_FILES} files")
                if path in files:
                    raise CourseError(f"the archive holds {path!r} twice")
                content = tar.extractfile(entry)
                files[path] = content.read() if content else b""
    except DAMAGED as e:
        raise CourseError(f"not a readable tar archive: {e}") from e
    check_limits(files, "archive")
    return files


def _gunzip(data: bytes) -> bytes:
    """Decompress, refusing what exceeds the limit without unpacking it."""
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
        raise CourseError("the archive has data after its end")
    return raw
