"""MFM frames: GANIL's multi-frame metaformat, written, read and checked. Pure.

A frame begins with 8 bytes: metaType 8 bits, frameSize 24, dataSource 8, frameType 16, revision 8.
metaType: 0x80 little-endian, 0x40 blob, 0x0F the logarithm (base 2) of the unit block's size in
bytes; frameSize counts unit blocks. What follows here is the layout of mesytec's transmitter for
GANIL: a 48-bit timestamp, a 32-bit event number, the payload's length, the payload.

ref: GANIL, MFMCommonFrame.h; ganil_mesytec_data, mesytec_receiver_mfm_transmitter.cpp.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from narval.errors import NarvalError

LITTLE_ENDIAN = 0x80
BLOB = 0x40
UNIT_MASK = 0x0F
HEADER_BYTES = 8
EVENT_HEADER_BYTES = 24

_UNIT_LOG = 1  # blocks of two bytes, as the transmitter writes them
_REVISION = 1
_MOST_BLOCKS = 2**24 - 1
_TIMESTAMP_BITS = 48


class FrameError(NarvalError):
    """Bytes that are no frame; says which byte."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        self.reason = reason
        self.at = at  # None: a value that cannot be packed
        super().__init__(reason if at is None else f"byte {at}: {reason}")

    def moved(self, by: int) -> FrameError:
        """Return the same error for data that begins that many bytes later."""
        return FrameError(self.reason, None if self.at is None else self.at + by)


@dataclass(frozen=True)
class Header:
    """The common header."""

    meta_type: int
    size_bytes: int  # of the whole frame
    data_source: int
    frame_type: int
    revision: int

    @property
    def is_little_endian(self) -> bool:
        """Which way numbers are stored."""
        return bool(self.meta_type & LITTLE_ENDIAN)

    @property
    def is_blob(self) -> bool:
        """Whether there is no further structure that all readers know."""
        return bool(self.meta_type & BLOB)


@dataclass(frozen=True)
class Event:
    """A frame with a time."""

    frame_type: int
    timestamp: int  # 48 bits; the clock's unit is the experiment's
    event_number: int  # 32 bits
    payload: bytes
    data_source: int = 0


def pack_event(event: Event) -> bytes:
    """Return the frame of an event; padded to whole unit blocks.

    Raises:
        FrameError: a value does not fit its field.
    """
    for name, value, bits in (
        ("timestamp", event.timestamp, _TIMESTAMP_BITS),
        ("event number", event.event_number, 32),
        ("frame type", event.frame_type, 16),
        ("data source", event.data_source, 8),
    ):
        if not 0 <= value < 2**bits:
            raise FrameError(f"{name} {value} does not fit into {bits} bits")
    size = EVENT_HEADER_BYTES + len(event.payload)
    blocks = -(-size // 2**_UNIT_LOG)
    if blocks > _MOST_BLOCKS:
        raise FrameError(f"a payload of {len(event.payload)} bytes is too large for one frame")
    return b"".join((
        struct.pack("<B", LITTLE_ENDIAN | BLOB | _UNIT_LOG),
        blocks.to_bytes(3, "little"),
        struct.pack("<BHB", event.data_source, event.frame_type, _REVISION),
        event.timestamp.to_bytes(6, "little"),
        struct.pack("<I", event.event_number),
        bytes(2),
        struct.pack("<I", len(event.payload)),
        event.payload,
        bytes(blocks * 2**_UNIT_LOG - size),
    ))  # fmt: skip


def parse_header(data: bytes | memoryview, at: int = 0) -> Header:
    """Return the common header at this place.

    Raises:
        FrameError: too few bytes, or a size that cannot be.
    """
    if len(data) - at < HEADER_BYTES:
        raise FrameError(f"a header has {HEADER_BYTES} bytes, {len(data) - at} are left", at)
    meta = data[at]
    order = "<" if meta & LITTLE_ENDIAN else ">"
    blocks = int.from_bytes(data[at + 1 : at + 4], "little" if order == "<" else "big")
    source, kind, revision = struct.unpack_from(f"{order}BHB", data, at + 4)
    size = blocks * 2 ** (meta & UNIT_MASK)
    if size < HEADER_BYTES:
        raise FrameError(f"a frame of {size} bytes is shorter than its header", at)
    return Header(meta, size, source, kind, revision)


def parse_event(data: bytes | memoryview, at: int = 0) -> Event:
    """Return the event whose frame begins at this place.

    Raises:
        FrameError: it is cut off, or no event of this layout.
    """
    header = parse_header(data, at)
    if not (header.is_little_endian and header.is_blob):
        raise FrameError(f"metaType {header.meta_type:#04x} is no little-endian blob", at)
    left = len(data) - at
    if header.size_bytes > left:
        raise FrameError(f"a frame of {header.size_bytes} bytes, {left} are left", at)
    if header.size_bytes < EVENT_HEADER_BYTES:
        raise FrameError(f"{header.size_bytes} bytes are too few for an event", at)
    (number,) = struct.unpack_from("<I", data, at + 14)
    (length,) = struct.unpack_from("<I", data, at + 20)
    if EVENT_HEADER_BYTES + length > header.size_bytes:
        raise FrameError(f"a payload of {length} bytes is longer than its frame", at)
    begin = at + EVENT_HEADER_BYTES
    return Event(
        frame_type=header.frame_type,
        timestamp=int.from_bytes(data[at + 8 : at + 14], "little"),
        event_number=number,
        payload=bytes(data[begin : begin + length]),
        data_source=header.data_source,
    )


def iterate_frames(data: bytes | memoryview) -> Iterator[tuple[int, Header]]:
    """Yield place and header of each whole frame in a buffer.

    Raises:
        FrameError: the buffer ends in the middle of a frame, or holds something else.
    """
    at = 0
    while at < len(data):
        header = parse_header(data, at)
        if at + header.size_bytes > len(data):
            left = len(data) - at
            raise FrameError(f"a frame of {header.size_bytes} bytes, {left} are left", at)
        yield at, header
        at += header.size_bytes


def whole_frames_bytes(data: bytes | memoryview) -> int:
    """Return how many bytes at the buffer's beginning are whole frames.

    Raises:
        FrameError: a frame in it cannot be, wherever it ends.
    """
    at = 0
    while len(data) - at >= HEADER_BYTES:
        header = parse_header(data, at)
        _check_event_length(data, at, header)
        if at + header.size_bytes > len(data):
            break
        at += header.size_bytes
    return at


def _check_event_length(data: bytes | memoryview, at: int, header: Header) -> None:
    """Check what is known of a blob's payload, as far as its bytes are there."""
    if not (header.is_little_endian and header.is_blob) or len(data) - at < EVENT_HEADER_BYTES:
        return
    (length,) = struct.unpack_from("<I", data, at + 20)
    if header.size_bytes < EVENT_HEADER_BYTES or EVENT_HEADER_BYTES + length > header.size_bytes:
        raise FrameError(f"a payload of {length} bytes in a frame of {header.size_bytes} bytes", at)
