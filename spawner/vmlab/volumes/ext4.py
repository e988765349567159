"""What the superblock of an ext4 file system says. Pure.

ref: Linux, Documentation/filesystems/ext4/super.rst
"""

from __future__ import annotations

import struct

SUPERBLOCK_AT = 1024
SUPERBLOCK_BYTES = 1024

_MAGIC = 0xEF53
_64BIT = 0x80
_MAX_LOG_BLOCK = 6


class Ext4Error(ValueError):
    """It is no ext4 file system."""


def read_ext4_bytes(superblock: bytes) -> int:
    """Return how large the file system is.

    Raises:
        Ext4Error: it is none.
    """
    if len(superblock) < SUPERBLOCK_BYTES:
        raise Ext4Error("it is too small for a file system")
    if struct.unpack_from("<H", superblock, 0x38)[0] != _MAGIC:
        raise Ext4Error("there is no ext4 file system at its beginning")
    blocks, log_size = struct.unpack_from("<I", superblock, 4)[0], superblock[0x18]
    if log_size > _MAX_LOG_BLOCK:
        raise Ext4Error("its ext4 file system is damaged")
    if struct.unpack_from("<I", superblock, 0x60)[0] & _64BIT:
        blocks |= struct.unpack_from("<I", superblock, 0x150)[0] << 32
    return int(blocks << (10 + log_size))
