"""Archives of courses: how large they may be, and reading the headers of one from outside.

The hub reads what trainers send, machines read what the hub sends. Whoever may publish a course
must not thereby write anywhere in every machine of a class.
"""

from __future__ import annotations

import tarfile

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
"""Compressed."""

MAX_ENTRIES = 5000
"""Folders included."""

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

DAMAGED = (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError)
"""What reading an archive raises that is damaged, or beyond the limits of its headers."""


class _Entry(tarfile.TarInfo):
    """An entry of an archive from outside; the headers before it are limited.

    They hold long names. Python before 3.11.10 searches them in a time that grows with the square
    of their length (CVE-2024-6232), and they may follow each other without end.
    """

    def _proc_member(self, tar: CourseTar) -> tarfile.TarInfo:
        # tarfile's own hook for subclasses; typeshed does not know it.
        if self.size < 0:  # would loop endlessly (CVE-2025-8194)
            raise tarfile.ReadError(f"an entry of {self.size} bytes")
        if self.type in _LONG_NAMES:
            tar.long_names_bytes += tarfile.BLOCKSIZE + self.size
            if self.size > _MAX_LONG_NAME or tar.long_names_bytes > _MAX_LONG_NAMES:
                raise tarfile.ReadError("it holds more long file names than it may")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


class CourseTar(tarfile.TarFile):
    """An archive from outside, to be read within limits."""

    tarinfo = _Entry
    long_names_bytes = 0


def is_plain_file(entry: tarfile.TarInfo) -> bool:
    """Return whether this is a file of which every byte is in the archive.

    A sparse one may claim terabytes that the archive need not hold.
    """
    return entry.isreg() and not entry.issparse()
