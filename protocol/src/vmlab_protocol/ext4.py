"""What the superblock of ext4 tells: size, how full it is, whether it was left in order. Pure.

ref: Linux, Documentation/filesystems/ext4/super.rst
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SUPERBLOCK_OFFSET = 1024
SUPERBLOCK_BYTES = 1024
_MAGIC = 0xEF53
_STATE_CLEAN = 1  # and neither "errors detected" (2) nor "orphans being recovered" (4)
_INCOMPAT_RECOVER = 0x4  # the journal must be replayed
_INCOMPAT_64BIT = 0x80
_RO_COMPAT_QUOTA = 0x100
_RO_COMPAT_PROJECT = 0x2000
_RO_COMPAT_ORPHAN_PRESENT = 0x10000
_MAX_LOG_BLOCK = 6  # no block is larger than 64 KiB


class Ext4Error(ValueError):
    """It is not an ext4 file system."""


@dataclass(frozen=True)
class Space:
    """The room of a file system that is not mounted, in blocks."""

    total: int
    free: int  # those reserved included
    reserved: int  # for root
    block_bytes: int

    @property
    def size_bytes(self) -> int:
        """How large the file system is."""
        return self.total * self.block_bytes


def read_space(superblock: bytes) -> Space:
    """Return how large and how full the file system is.

    Raises:
        Ext4Error: it is not one.
    """
    if len(superblock) < SUPERBLOCK_BYTES:
        raise Ext4Error("it is too small for a file system")
    if superblock[0x38:0x3A] != _MAGIC.to_bytes(2, "little"):
        raise Ext4Error("there is no ext4 file system at its beginning")
    total, reserved, free = struct.unpack_from("<III", superblock, 0x4)
    (log_block,) = struct.unpack_from("<I", superblock, 0x18)
    (incompat,) = struct.unpack_from("<I", superblock, 0x60)
    if incompat & _INCOMPAT_64BIT:
        high = struct.unpack_from("<III", superblock, 0x150)
        total, reserved, free = (
            low | part << 32 for low, part in zip((total, reserved, free), high, strict=True)
        )
    if log_block > _MAX_LOG_BLOCK or not total:
        raise Ext4Error("its ext4 file system is damaged")
    return Space(total, free, reserved, 1024 << log_block)


def has_project_quota(superblock: bytes) -> bool:
    """Return whether the file system can keep each project's files within a limit of its own."""
    if len(superblock) < SUPERBLOCK_BYTES:
        return False
    (ro_compat,) = struct.unpack_from("<I", superblock, 0x64)
    (quota_inode,) = struct.unpack_from("<I", superblock, 0x26C)
    wanted = _RO_COMPAT_QUOTA | _RO_COMPAT_PROJECT
    return bool(ro_compat & wanted == wanted and quota_inode != 0)


def is_in_order(superblock: bytes) -> bool:
    """Return whether e2fsck would find nothing to do: it was unmounted in good order.

    Anything that is not a superblock of ext4 is not in order.
    """
    if len(superblock) < SUPERBLOCK_BYTES:
        return False
    mounts, most_mounts, magic, state = struct.unpack_from("<HhHH", superblock, 0x34)
    incompat, ro_compat = struct.unpack_from("<II", superblock, 0x60)
    (last_orphan,) = struct.unpack_from("<I", superblock, 0xE8)
    return (
        magic == _MAGIC
        and state == _STATE_CLEAN
        and not incompat & _INCOMPAT_RECOVER
        and not ro_compat & _RO_COMPAT_ORPHAN_PRESENT
        and last_orphan == 0
        and (most_mounts <= 0 or mounts < most_mounts)
    )
