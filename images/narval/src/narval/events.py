"""What the frames of our own actors carry, in MFM event frames (`narval.mfm`). Pure.

All numbers are little-endian; timestamps count ticks of 10 ns from the start of the run. The types'
numbers are ours. `dataSource` is the detector.

ENERGIES  hits of one detector, 8 bytes each: u16 channel, u16 zero, f32 energy in keV
PULSE     u16 channel, u16 nanoseconds between samples, then the samples, u16 each
BUILT     whole frames one after another, by time; the timestamp is the first one's
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from narval.mfm import Event, FrameError, iterate_frames, parse_event

TICK_S = 1e-8
"""What a timestamp counts."""

_HIT = struct.Struct("<H2xf")
_PULSE = struct.Struct("<HH")


class FrameType(IntEnum):
    """Frame types of our own actors."""

    ENERGIES = 0x4E01
    PULSE = 0x4E02
    BUILT = 0x4E03


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


def parse_members(event: Event) -> tuple[Event, ...]:
    """Return the frames that a BUILT frame holds.

    Raises:
        FrameError: it is no such frame, or a member is damaged.
    """
    if event.frame_type != FrameType.BUILT:
        raise FrameError(_describe(event, "built event"))
    return tuple(iterate_events(event.payload))


def iterate_events(data: bytes | memoryview) -> Iterator[Event]:
    """Yield the event of each frame in a buffer.

    Raises:
        FrameError: it holds something else.
    """
    for at, _ in iterate_frames(data):
        yield parse_event(data, at)


def _describe(event: Event, wanted: str) -> str:
    size = len(event.payload)
    return f"a frame of type {event.frame_type:#06x} with {size} bytes is no {wanted} frame"
