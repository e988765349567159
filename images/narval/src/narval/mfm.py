"""MFM frames: GANIL's multi-frame metaformat, written, read and checked. Pure.

A frame begins with 8 bytes: metaType 8 bits, frameSize 24, dataSource 8, frameType 16, revision 8.
metaType: 0x80 little-endian, 0x40 blob, 0x0F the logarithm (base 2) of the unit block's size in
bytes; frameSize counts unit blocks. What follows is the type's own (`narval.frame_types`). Frames
that are made here have the layout of mesytec's transmitter for GANIL: a 48-bit timestamp, a 32-bit
event number, the payload's length, the payload.

ref: GANIL, MFMCommonFrame.h, MFMBasicFrame.h, MFMMergeFrame.h; ganil_mesytec_data,
mesytec_receiver_mfm_transmitter.cpp.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from narval.frame_types import OWN_TYPES, TRANSMITTER, Layout, layout_of, name_of
from narval.frames import FrameError, check_whole, whole_bytes

__all__ = [
    "EVENT_HEADER_BYTES",
    "HEADER_BYTES",
    "Event",
    "FrameError",
    "Header",
    "frame_size",
    "iterate_frames",
    "pack_event",
    "pack_header",
    "parse_event",
    "parse_header",
    "whole_frames_bytes",
]

LITTLE_ENDIAN = 0x80
BLOB = 0x40
UNIT_MASK = 0x0F
HEADER_BYTES = 8
EVENT_HEADER_BYTES = 24

_UNIT_LOG = 1  # blocks of two bytes, as the transmitter writes them
_REVISION = 1
_MAX_BLOCKS = 2**24 - 1
_ODD_ORDER = (1, 0, 5, 4, 3, 2)  # of a time in revision 0, the first byte first


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
    def byte_order(self) -> Literal["little", "big"]:
        """The same, as `int.from_bytes` has it."""
        return "little" if self.is_little_endian else "big"

    @property
    def unit_bytes(self) -> int:
        """The size of a unit block."""
        return 1 << (self.meta_type & UNIT_MASK)

    @property
    def is_blob(self) -> bool:
        """Whether there is no further structure that all readers know."""
        return bool(self.meta_type & BLOB)


@dataclass(frozen=True)
class Event:
    """A frame, as far as its type's layout is known."""

    frame_type: int
    timestamp: int | None  # 48 bits; the clock's unit is the experiment's; None: the type has none
    event_number: int | None  # 32 bits; None: the type has none
    payload: bytes  # what follows the fields that are known
    data_source: int = 0
    items: int | None = None  # how many the payload holds, where the type counts them


def pack_event(event: Event) -> bytes:
    """Return the frame of an event of our own, or of the transmitter's; padded to whole blocks.

    Raises:
        FrameError: a value does not fit its field, or the type has another layout.
    """
    if layout_of(event.frame_type) is not TRANSMITTER:
        raise FrameError(
            f"a frame of type {name_of(event.frame_type)} has another layout than those made here, "
            f"whose types are {OWN_TYPES.start:#06x} to {OWN_TYPES.stop - 1:#06x}"
        )
    timestamp = _fitting("timestamp", event.timestamp, 48)
    number = _fitting("event number", event.event_number, 32)
    size = EVENT_HEADER_BYTES + len(event.payload)
    fields = timestamp.to_bytes(6, "little") + struct.pack("<IxxI", number, len(event.payload))
    return b"".join((
        pack_header(event.frame_type, size, data_source=event.data_source), fields, event.payload,
        bytes(-size % 2**_UNIT_LOG),
    ))  # fmt: skip


def pack_header(
    frame_type: int, size_bytes: int, *, data_source: int = 0, is_blob: bool = True
) -> bytes:
    """Return the common header of a little-endian frame of this size, in blocks of two bytes.

    Raises:
        FrameError: a value does not fit its field.
    """
    blocks = -(-size_bytes // 2**_UNIT_LOG)
    if blocks > _MAX_BLOCKS:
        raise FrameError(f"{size_bytes} bytes are too many for one frame")
    source, kind = _fitting("data source", data_source, 8), _fitting("frame type", frame_type, 16)
    meta_type = LITTLE_ENDIAN | (BLOB if is_blob else 0) | _UNIT_LOG
    return b"".join((
        bytes([meta_type]), blocks.to_bytes(3, "little"),
        struct.pack("<BHB", source, kind, _REVISION),
    ))  # fmt: skip


def _fitting(name: str, value: int | None, bits: int) -> int:
    if value is None or not 0 <= value < 2**bits:
        raise FrameError(f"{name} {value} does not fit into {bits} bits")
    return value


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
    """Return the frame that begins at this place; only its own type's layout is looked into.

    Raises:
        FrameError: it is cut off, or too short for what its type has.
    """
    header = parse_header(data, at)
    check_whole(data, at, header.size_bytes)
    layout = layout_of(header.frame_type)
    if header.size_bytes < layout.fields_end:
        size = f"{header.size_bytes} bytes are too few for a frame"
        raise FrameError(f"{size} of type {name_of(header.frame_type)}", at)
    frame = memoryview(data)[at : at + header.size_bytes]
    begin, end = _payload(frame, header, layout, at)
    order = header.byte_order
    return Event(
        frame_type=header.frame_type,
        timestamp=None if layout.time_at is None else _read_time(frame, header, layout.time_at),
        event_number=_read_number(frame, header, layout),
        payload=bytes(frame[begin:end]),
        data_source=header.data_source,
        items=int.from_bytes(frame[12:16], order) if layout.is_basic else None,
    )


def _payload(frame: memoryview, header: Header, layout: Layout, at: int) -> tuple[int, int]:
    """Return where in a frame its payload begins and ends."""
    begin, end = layout.fields_end, header.size_bytes
    if layout.has_length:
        end = begin + int.from_bytes(frame[20:24], header.byte_order)
    elif layout.is_basic:
        begin = int.from_bytes(frame[8:10], header.byte_order) * header.unit_bytes
    if not layout.fields_end <= begin <= end <= header.size_bytes:
        where = f"a payload from byte {begin} to byte {end}"
        raise FrameError(f"{where} in a frame of {header.size_bytes} bytes", at)
    return begin, end


def _read_time(frame: memoryview, header: Header, time_at: int) -> int:
    stored = bytes(frame[time_at : time_at + 6])
    if layout_of(header.frame_type).has_odd_revision_0 and header.revision == 0:
        stored = bytes(stored[place] for place in _ODD_ORDER)
    return int.from_bytes(stored, header.byte_order)


def _read_number(frame: memoryview, header: Header, layout: Layout) -> int | None:
    if layout.number_at is None:
        return None
    is_odd = layout.has_odd_revision_0 and header.revision == 0
    order = "little" if is_odd else header.byte_order
    return int.from_bytes(frame[layout.number_at : layout.number_at + 4], order)


def iterate_frames(data: bytes | memoryview) -> Iterator[tuple[int, Header]]:
    """Yield place and header of each whole frame in a buffer.

    Raises:
        FrameError: the buffer ends in the middle of a frame, or holds something else.
    """
    at = 0
    while at < len(data):
        header = parse_header(data, at)
        check_whole(data, at, header.size_bytes)
        yield at, header
        at += header.size_bytes


def whole_frames_bytes(data: bytes | memoryview) -> int:
    """Return how many bytes at the buffer's beginning are whole frames.

    Raises:
        FrameError: a frame in it cannot be, wherever it ends.
    """
    return whole_bytes(data, frame_size, HEADER_BYTES)


def frame_size(data: bytes | memoryview, at: int = 0) -> int:
    """Return the size of the frame that begins at this place.

    Where the type tells the payload's length, that is checked too, as far as its bytes are there.

    Raises:
        FrameError: it cannot be.
    """
    header = parse_header(data, at)
    if layout_of(header.frame_type).has_length:
        length = 0
        if len(data) - at >= EVENT_HEADER_BYTES:
            length = int.from_bytes(data[at + 20 : at + 24], header.byte_order)
        if EVENT_HEADER_BYTES + length > header.size_bytes:
            where = f"a payload of {length} bytes in a frame of {header.size_bytes} bytes"
            raise FrameError(where, at)
    return header.size_bytes
