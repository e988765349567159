"""What the frames of our own actors carry, in MFM event frames (`narval.mfm`). Pure.

All numbers are little-endian; timestamps count ticks of 10 ns from the start of the run.
`dataSource` is the detector. The numbers of the first three types are ours; a built event is
GANIL's merge frame, which has whole frames as its items.

ENERGIES  hits of one detector, 8 bytes each: u16 channel, u16 zero, f32 energy in keV
PULSE     u16 channel, u16 nanoseconds between samples, then the samples, u16 each
BUILT     whole frames one after another, by time: events of earlier versions, still read
MERGED    the same by time, 0xFF02: 48-bit timestamp of the first, u32 ticks from it to the last
NUMBERED  the same by event number, 0xFF01: u32 event number

ref: GANIL, MFMMergeFrame.h.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from narval.frame_types import MERGE_BY_NUMBER, MERGE_BY_TIME, name_of
from narval.mfm import Event, FrameError, iterate_frames, pack_header, parse_event, parse_header

TICK_S = 1e-8
"""What a timestamp counts."""

_HIT = struct.Struct("<H2xf")
_PULSE = struct.Struct("<HH")
_ITEMS = struct.Struct("<HHI")
_MERGED_HEADER_BYTES = 26
_MAX_TICKS = 2**32 - 1


class FrameType(IntEnum):
    """Frame types of our own actors."""

    ENERGIES = 0x4E01
    PULSE = 0x4E02
    BUILT = 0x4E03
    MERGED = MERGE_BY_TIME
    NUMBERED = MERGE_BY_NUMBER


BUILT_TYPES = frozenset({FrameType.BUILT, FrameType.MERGED, FrameType.NUMBERED})
"""Types of which `parse_members` reads the frames."""


@dataclass(frozen=True)
class Hit:
    """An energy that a channel of a detector has measured."""

    channel: int
    energy_kev: float


@dataclass(frozen=True)
class Pulse:
    """What a channel of a digitiser has sampled."""

    channel: int
    period_ns: int
    samples: Sequence[int]


def pack_hits(hits: Sequence[Hit]) -> bytes:
    """Return the payload of an ENERGIES frame."""
    return b"".join(_HIT.pack(hit.channel, hit.energy_kev) for hit in hits)


def parse_hits(event: Event) -> tuple[Hit, ...]:
    """Return the hits of an ENERGIES frame.

    Raises:
        FrameError: it is no such frame.
    """
    if event.frame_type != FrameType.ENERGIES or len(event.payload) % _HIT.size:
        raise FrameError(_describe(event, "energies"))
    return tuple(Hit(channel, energy) for channel, energy in _HIT.iter_unpack(event.payload))


def pack_pulse(pulse: Pulse) -> bytes:
    """Return the payload of a PULSE frame."""
    samples = struct.pack(f"<{len(pulse.samples)}H", *pulse.samples)
    return _PULSE.pack(pulse.channel, pulse.period_ns) + samples


def parse_pulse(event: Event) -> Pulse:
    """Return the pulse of a PULSE frame.

    Raises:
        FrameError: it is no such frame.
    """
    count, odd = divmod(len(event.payload) - _PULSE.size, 2)
    if event.frame_type != FrameType.PULSE or count < 0 or odd:
        raise FrameError(_describe(event, "pulse"))
    channel, period_ns = _PULSE.unpack_from(event.payload)
    samples = struct.unpack_from(f"<{count}H", event.payload, _PULSE.size)
    return Pulse(channel, period_ns, array("H", samples))


def pack_merged(frames: Sequence[bytes], first: int, span: int) -> bytes:
    """Return the frame of an event that was built by time.

    Args:
        frames: in the order of their times.
        first: timestamp of the first one.
        span: ticks from it to the last one; what is more than the field can say is cut.

    Raises:
        FrameError: a value does not fit its field, or all together are too large.
    """
    size = _MERGED_HEADER_BYTES + sum(map(len, frames))
    if not 0 <= first < 2**48 or span < 0:
        raise FrameError(f"an event of {span} ticks from {first} on does not fit into 48 bits")
    return b"".join((
        pack_header(FrameType.MERGED, size, is_blob=False),
        # Header sizes count blocks as frame sizes do; the items have sizes of their own.
        _ITEMS.pack(_MERGED_HEADER_BYTES // 2, 0, len(frames)),
        first.to_bytes(6, "little"), min(span, _MAX_TICKS).to_bytes(4, "little"),
        *frames, bytes(size % 2),
    ))  # fmt: skip


def parse_members(event: Event) -> tuple[Event, ...]:
    """Return the frames of an event that was built, by whatever program.

    Raises:
        FrameError: it is no such frame, or a member is damaged.
    """
    if event.frame_type not in BUILT_TYPES:
        raise FrameError(_describe(event, "built event"))
    if event.items is None:
        return tuple(iterate_events(event.payload))
    # What is behind the last one fills the frame's last block.
    members, at = [], 0
    for _ in range(event.items):
        members.append(parse_event(event.payload, at))
        at += parse_header(event.payload, at).size_bytes
    return tuple(members)


def iterate_events(data: bytes | memoryview) -> Iterator[Event]:
    """Yield the event of each frame in a buffer.

    Raises:
        FrameError: it holds something else.
    """
    for at, _ in iterate_frames(data):
        yield parse_event(data, at)


def _describe(event: Event, wanted: str) -> str:
    size = len(event.payload)
    return f"a frame of type {name_of(event.frame_type)} with {size} bytes is no {wanted} frame"
