"""Root disks of older images, kept beside the present one for a while after an upgrade.

Such a disk stands on the older image's disk or template, which the cache never removes.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from vmlab.model import OldDisk
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.system.background import apart
from vmlab.system.disk_space import taken_mib

_NAME = re.compile(r"root-(?P<version>.+)-(?P<at>[0-9]{1,11})\.qcow2")


def keep_root_disk(folder: MachineFolder, image_version: str) -> Path | None:
    """Keep the root disk of an older image under another name; return it, None without one."""
    if not folder.root_disk.exists():
        return None
    name = f"root-{image_version}-{int(time.time())}.qcow2"
    return folder.root_disk.rename(folder.root_disk.with_name(name))


def list_old_disks(folder: MachineFolder) -> list[OldDisk]:
    """Return the machine's older root disks, the newest first."""
    found = []
    for path in folder.path.glob("root-*.qcow2"):
        if match := _NAME.fullmatch(path.name):
            size_mib = taken_mib(path)
            at = float(match["at"])
            found.append(OldDisk(folder.path.name, match["version"], at, size_mib, str(path)))
    return sorted(found, key=lambda disk: disk.at, reverse=True)


def prune_old_disks(machines: Path, before: float) -> list[OldDisk]:
    """Remove root disks that were replaced before this time (seconds since the epoch).

    One that cannot be removed is logged.
    """
    gone = []
    for path in sorted(machines.iterdir()):
        with apart(f"{path.name}: an old root disk could not be removed"):
            for disk in list_old_disks(MachineFolder(path)):
                if disk.at < before:
                    Path(disk.path).unlink(missing_ok=True)
                    gone.append(disk)
    return gone
