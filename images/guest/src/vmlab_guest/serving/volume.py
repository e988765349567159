"""The volume of a file server, before it is mounted: its file system learns to limit projects."""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.system import System
from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, has_project_quota

MOUNT_OPTION = "prjquota"
_TUNE_S = 600.0  # it counts what is there


def prepare_volume(system: System, device: Path, real: str) -> None:
    """Give the file system project quotas, unless it has them.

    Args:
        device: the volume's, below the system's root.
        real: the same for programs.

    Raises:
        ApplyError: tune2fs failed.
        OSError: the device cannot be read.
    """
    with device.open("rb", buffering=0) as stream:
        stream.seek(SUPERBLOCK_OFFSET)
        superblock = stream.read(SUPERBLOCK_BYTES)
    if not has_project_quota(superblock):
        system.run("tune2fs", "-O", "project", "-Q", MOUNT_OPTION, real, timeout_s=_TUNE_S)
