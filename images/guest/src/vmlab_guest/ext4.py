"""Whether an ext4 file system was left in order, told from its superblock. Pure.

ref: Linux, Documentation/filesystems/ext4/super.rst
"""

from __future__ import annotations

import struct

SUPERBLOCK_OFFSET = 1024
SUPERBLOCK_BYTES = 1024
_MAGIC = 0xEF53
_STATE_CLEAN = 1  # and neither "errors detected" (2) nor "orphans being recovered" (4)
_INCOMPAT_RECOVER = 0x4  # the journal must be replayed
_RO_COMPAT_ORPHAN_PRESENT = 0x10000


def is_in_order(superblock: bytes) -> bool:
    """Return whether e2fsck would find nothing to do: it was unmounted in good order.

    Anything that is no superblock of ext4 is not in order.
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
