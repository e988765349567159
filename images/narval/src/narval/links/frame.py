"""How blocks travel between actors: a header of 8 bytes, then the block. Pure.

The header is the length and the kind, both 32 bits little-endian. NARVAL's own format between
actors is not published; this is ours.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from narval.errors import NarvalError

HEADER = struct.Struct("<II")
HEADER_BYTES = HEADER.size


class Kind(IntEnum):
    """What follows a header."""

    DATA = 0
    END = 1  # of the run: no bytes
    HEARTBEAT = 2  # no bytes


class LinkCutError(NarvalError):
    """A link that ended before the run did, or that carries something else than blocks."""


def parse_header(data: bytes | bytearray | memoryview, most_bytes: int) -> tuple[Kind, int]:
    """Return kind and length.

    Raises:
        LinkCutError: the kind is not known, or the length is more than the buffer's size.
    """
    length, number = HEADER.unpack(data)
    try:
        kind = Kind(number)
    except ValueError:
        raise LinkCutError(f"kind {number:#x} of a block is not known: no link of narval") from None
    if length > most_bytes:
        raise LinkCutError(f"a block of {length} bytes; the buffer has {most_bytes}")
    if kind is not Kind.DATA and length:
        raise LinkCutError(f"{kind.name} with {length} bytes: no link of narval")
    return kind, length
