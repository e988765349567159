"""ADF frames: AGATA's data format, as far as it is needed to read its files. Pure.

A frame begins with a key of 20 bytes, little-endian: u32 length of the frame with its key, u32
type, u32 event number, u64 timestamp in ticks of 10 ns. The frame of a built event has whole
frames, each with a key of its own, behind its key.

ref: readers of ADF files that others have published (skowrons94/LunaDAQ, LFFrames.h; the AGATA to
GRETINA translator ag2mode2), the AGATA users' guides.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from narval.frames import Data, FrameError, check_whole, whole_bytes

KEY_BYTES = 20

_KEY = struct.Struct("<IIIQ")
_BUILT = 0xCA

NAMES: Final[Mapping[int, str]] = {
    0xFA000200: "conf:global",
    0xFA001100: "meta:eof",
    0xFA010101: "data:crystal",
    0xFA010102: "data:psa",
    0xFA010103: "data:eb",
    0xFA010104: "data:merger",
    0xFA010105: "data:tracked",
    0xFA010111: "data:ccrystal",
    0xFA010201: "conf:crystal",
    0xFA010202: "conf:psa",
    0xFA0201A0: "data:ranc0",
    0xFA0201A1: "data:ranc1",
    0xFA0201A2: "data:ranc2",
    0xFA011101: "meta:sync",
    0xFA011102: "meta:vertex",
    0xCA000100: "event:data",
    0xCA010101: "event:data:crystal",
    0xCA010102: "event:data:psa",
    0xCA010103: "event:data:tracked",
}
"""AGATA's words for the types; others are passed on all the same."""


@dataclass(frozen=True)
class Key:
    """What a frame begins with."""

    size_bytes: int  # of the whole frame
    frame_type: int
    event_number: int
    timestamp: int  # ticks of 10 ns

    @property
    def name(self) -> str:
        """The type as AGATA says it, or its number."""
        return NAMES.get(self.frame_type, f"{self.frame_type:#010x}")

    @property
    def is_built(self) -> bool:
        """Whether whole frames follow the key."""
        return self.frame_type >> 24 == _BUILT


def parse_key(data: Data, at: int = 0) -> Key:
    """Return the key at this place.

    Raises:
        FrameError: too few bytes, or a length that cannot be.
    """
    left = len(data) - at
    if left < KEY_BYTES:
        raise FrameError(f"a key has {KEY_BYTES} bytes, {left} are left", at)
    key = Key(*_KEY.unpack_from(data, at))
    if key.size_bytes < KEY_BYTES:
        raise FrameError(f"a frame of {key.size_bytes} bytes is shorter than its key", at)
    return key


def iterate_keys(data: Data) -> Iterator[tuple[int, Key]]:
    """Yield place and key of each whole frame in a buffer.

    Raises:
        FrameError: the buffer ends in the middle of a frame, or holds something else.
    """
    at = 0
    while at < len(data):
        key = parse_key(data, at)
        check_whole(data, at, key.size_bytes)
        yield at, key
        at += key.size_bytes


def iterate_members(data: Data, at: int = 0) -> Iterator[tuple[int, Key]]:
    """Yield place and key of each frame in the built event at this place.

    Raises:
        FrameError: it is not one, is cut off, or holds something else than frames.
    """
    key = parse_key(data, at)
    check_whole(data, at, key.size_bytes)
    if not key.is_built:
        raise FrameError(f"a frame of type {key.name} is not a built event", at)
    begin = at + KEY_BYTES
    try:
        for place, member in iterate_keys(data[begin : at + key.size_bytes]):
            yield begin + place, member
    except FrameError as error:
        raise error.moved(begin) from error


def frame_size(data: Data, at: int = 0) -> int:
    """Return the size of the frame that begins at this place; raises as `parse_key`."""
    return parse_key(data, at).size_bytes


def whole_frames_bytes(data: Data) -> int:
    """Return how many bytes at the buffer's beginning are whole frames.

    Raises:
        FrameError: a frame in it cannot be, wherever it ends.
    """
    return whole_bytes(data, frame_size, KEY_BYTES)
