"""Archives that are made to harm whoever reads their headers."""

from __future__ import annotations

import tarfile


def make_header(name: str, kind: bytes, size: int) -> bytes:
    """Return one header; a size that does not fit into eleven digits is written in base 256."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, 0
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    if size < 0 or size >= 8**11:
        header[124:136] = (size % 2**96).to_bytes(12, "big")
        header[124] |= 0x80
    else:
        header[124:136] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def make_long_name(body: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header, which may hold a name for the entry behind it."""
    return make_header("x", kind, len(body)) + body + bytes(-len(body) % tarfile.BLOCKSIZE)


_END = make_header("a", tarfile.REGTYPE, 0) + bytes(2 * tarfile.BLOCKSIZE)

HOSTILE = {
    "digits, searched in the square of their number": make_long_name(b"1" * 10**6) + _END,
    "a name of a megabyte": make_long_name(b"a" * 10**6, tarfile.GNUTYPE_LONGNAME) + _END,
    "names before names": make_long_name(b"6 a=b\n") * 3000 + _END,
    "old names before names": make_long_name(b"abc\0", tarfile.GNUTYPE_LONGNAME) * 3000 + _END,
    "folders without end": make_header("d", tarfile.DIRTYPE, 0) * 20_000 + _END,
    "an entry that leads back": make_header("a", tarfile.REGTYPE, -512) + _END,
    "a folder that leads back": make_header("d", tarfile.DIRTYPE, -1024) + _END,
    "an entry beyond any file": make_header("a", tarfile.REGTYPE, 2**63) + _END,
}
"""By what is wrong with them; uncompressed."""
