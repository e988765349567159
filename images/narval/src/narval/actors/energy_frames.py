"""Many ENERGIES frames of one hit each, as arrays: written and read without a loop. Needs numpy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from narval.events import BUILT_TYPES, FrameType, Hit, pack_hits, parse_hits, parse_members
from narval.mfm import Event, iterate_frames, pack_event, parse_event

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FRAME = np.dtype(
    [
        ("meta_type", "u1"), ("blocks", "u1", 3), ("detector", "u1"),
        ("frame_type", "<u2"), ("revision", "u1"),
        ("time_low", "<u4"), ("time_high", "<u2"), ("event_number", "<u4"),
        ("zero", "<u2"), ("length", "<u4"), ("channel", "<u2"), ("zero_2", "<u2"),
        ("energy_kev", "<f4"),
    ]
)  # fmt: skip
"""The layout of `narval.mfm` and `narval.events` for one hit."""

_EMPTY = pack_event(Event(FrameType.ENERGIES, 0, 0, pack_hits([Hit(0, 0.0)])))


@dataclass(frozen=True)
class Energies:
    """Hits in the order of their frames; all arrays are as long as each other."""

    detectors: Integers
    timestamps: Integers
    energies_kev: Floats


def pack_energies(
    timestamps: Integers, energies_kev: Floats, *, detector: int, first_number: int
) -> bytes:
    """Return one frame for each hit; event numbers count up from the first."""
    frames = np.repeat(np.frombuffer(_EMPTY, FRAME), len(timestamps))
    frames["detector"] = detector
    frames["time_low"] = timestamps & 0xFFFFFFFF
    frames["time_high"] = timestamps >> 32
    frames["event_number"] = (first_number + np.arange(len(timestamps))) & 0xFFFFFFFF
    frames["energy_kev"] = energies_kev
    return frames.tobytes()


def unpack_energies(data: bytes | memoryview) -> tuple[Energies, list[tuple[float, float]]]:
    """Return all hits of a block, and the pairs of energies of its built events.

    Frames that carry no energies are passed over. A pair is in the order of the detectors.

    Raises:
        FrameError: the block holds something else than whole frames.
    """
    alike = _frames_alike(data)
    if alike is not None:
        detectors = alike["detector"].astype(np.int64)
        times = alike["time_high"].astype(np.int64) << 32 | alike["time_low"]
        return Energies(detectors, times, alike["energy_kev"].astype(np.float64)), []
    hits: list[tuple[int, int, float]] = []
    pairs: list[tuple[float, float]] = []
    for at, header in iterate_frames(data):
        if header.frame_type == FrameType.ENERGIES:
            hits += _hits(parse_event(data, at))
        elif header.frame_type in BUILT_TYPES:
            built = parse_members(parse_event(data, at))
            members = [hit for member in built for hit in _hits(member)]
            hits += members
            in_order = sorted(members, key=lambda hit: hit[0])
            pairs += [(one[2], other[2]) for one, other in combinations(in_order, 2)]
    columns = np.array(hits, dtype=np.float64).reshape(-1, 3)
    detectors, times = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    return Energies(detectors, times, columns[:, 2]), pairs


def _frames_alike(data: bytes | memoryview) -> NDArray[np.void] | None:
    """Return the block as frames of one hit each, or None where some frame is another."""
    if len(data) % FRAME.itemsize:
        return None
    frames = np.frombuffer(data, FRAME)
    (wanted,) = np.frombuffer(_EMPTY, FRAME)
    fixed = ("meta_type", "blocks", "frame_type", "length")
    return frames if all((frames[name] == wanted[name]).all() for name in fixed) else None


def _hits(event: Event) -> list[tuple[int, int, float]]:
    if event.frame_type != FrameType.ENERGIES or event.timestamp is None:
        return []
    return [(event.data_source, event.timestamp, hit.energy_kev) for hit in parse_hits(event)]
