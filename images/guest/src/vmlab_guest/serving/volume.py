"""The volume of a file server, before it is mounted: its file system learns to limit projects."""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.system import System
from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, has_project_quota, read_space

MOUNT_OPTION = "prjquota"
_TUNE_S = 600.0  # it counts what is there


def prepare_volume(system: System, device: Path, real: str) -> None:
    """Give the file system project quotas, and all of its room to people, unless that is so.

    Blocks that are kept for root would be missing from what the quotas add up to.

    Args:
        device: the volume's, below the system's root.
        real: the same for programs.

    Raises:
        ApplyError: tune2fs failed.
        Ext4Error: the device holds no file system.
        OSError: the device cannot be read.
    """
    with device.open("rb", buffering=0) as stream:
        stream.seek(SUPERBLOCK_OFFSET)
        superblock = stream.read(SUPERBLOCK_BYTES)
    options: list[str] = []
    if not has_project_quota(superblock):
        options += ["-O", "project", "-Q", MOUNT_OPTION]
    if read_space(superblock).reserved:
        options += ["-r", "0"]
    if options:
        system.run("tune2fs", *options, real, timeout_s=_TUNE_S)
