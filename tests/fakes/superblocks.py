"""Superblocks of ext4 as mke2fs writes them."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from vmlab_protocol.ext4 import Space

BLOCK = 4096


def make_superblock(space: Space, *, limits_projects: bool = False) -> bytes:
    """As mke2fs writes it, with 64-bit counts; `limits_projects`: as tune2fs leaves it."""
    data = bytearray(1024)
    low = [n & 0xFFFFFFFF for n in (space.total, space.reserved, space.free)]
    high = [n >> 32 for n in (space.total, space.reserved, space.free)]
    struct.pack_into("<III", data, 0x4, *low)
    struct.pack_into("<I", data, 0x18, (space.block_bytes // 1024).bit_length() - 1)
    struct.pack_into("<H", data, 0x38, 0xEF53)
    struct.pack_into("<I", data, 0x60, 0x80)
    struct.pack_into("<III", data, 0x150, *high)
    if limits_projects:
        struct.pack_into("<I", data, 0x64, 0x2100)
        struct.pack_into("<I", data, 0x26C, 12)
    return bytes(data)


spaces = st.builds(
    lambda total, free, reserved: Space(total, min(total, free), min(total, reserved), BLOCK),
    st.integers(1, 2**40),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
)
