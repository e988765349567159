"""Free space on the host's disk: the one place that says how much is free for what.

Some of the disk is the host's own, the *reserve*. From the top:

| free | what still works |
| --- | --- |
| more than twice the reserve | everything |
| less than that | no hourly snapshot; the oldest ones go, until there is as much again |
| less than the reserve | also no start, growing, import, export or snapshot by hand |
| nothing | a machine that writes is paused; it goes on by itself when there is room again |

Running machines may use the reserve: what they were promised is never refused.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vmlab import messages
from vmlab.errors import HostError

START_MIB = 64
"""What a start takes: a root overlay, records, the console's log."""

SNAPSHOT_MIB = 64
"""What a snapshot takes at once: tables only; data are shared until they are rewritten."""

_RESERVE_SHARE = 0.05
_LEAST_RESERVE_MIB = 512
_MAX_RESERVE_MIB = 4096


@dataclass(frozen=True)
class FreeSpace:
    """The file system that holds a folder."""

    folder: Path
    total_mib: int
    free_mib: int

    @property
    def reserve_mib(self) -> int:
        """What is the host's own: a twentieth of the disk, from 512 MiB to 4 GiB."""
        share_mib = int(self.total_mib * _RESERVE_SHARE)
        return min(max(share_mib, _LEAST_RESERVE_MIB), _MAX_RESERVE_MIB)

    @property
    def spare_mib(self) -> int:
        """What may be used; negative when the reserve is in use."""
        return self.free_mib - self.reserve_mib

    @property
    def snapshots_spare_mib(self) -> int:
        """What is free beyond the line at which hourly snapshots stop; negative below it."""
        return self.free_mib - 2 * self.reserve_mib

    def require(self, mib: int, what: str) -> None:
        """Refuse what does not fit.

        Args:
            mib: what it takes.
            what: for the message: "a start", "growing home-ada to 2048 MiB".

        Raises:
            HostError: fewer are spare.
        """
        if self.spare_mib < mib:
            raise HostError(
                f"{self.folder}: {self.free_mib} MiB free, {what} needs {mib} MiB beside the "
                f"{self.reserve_mib} MiB that stay with the host",
                hint="free space on this file system, or set VMLAB_STATE to another one",
                public=messages.HOST_FULL,
            )


def find_free_space(folder: Path) -> FreeSpace:
    """Return the room where this folder is, or would be made."""
    there = folder
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    return FreeSpace(folder, usage.total // 2**20, usage.free // 2**20)


def taken_mib(path: Path) -> int:
    """Return what a file takes on the disk, holes left out, rounded down; 0 if it is gone."""
    try:
        return path.lstat().st_blocks * 512 // 2**20
    except FileNotFoundError:
        return 0
