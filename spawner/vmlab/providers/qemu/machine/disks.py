"""A machine's disks: what QEMU is told of them, and root overlays. Nothing is mounted on the host.

Root disks of older images are kept beside the present one for a while after an upgrade. Such a disk
is based on the older image's disk or template, which the cache never removes.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from vmlab.model import OldDisk
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.system.background import apart
from vmlab.system.disk_space import taken_mib
from vmlab.system.tools import run_tool
from vmlab.system.worker import WorkerUser

CARD_BUS, VOLUME_BUS, SNAPSHOT_BUS, EVENT_BUS = "slot0", "slot1", "slot2", "slot3"
"""PCI Express ports that stay empty until something is plugged in: a card, a volume, a snapshot, a
second card for the network of an event."""

ON_ERROR = {"werror": "enospc", "rerror": "report"}
"""A write for which the host has no room pauses the machine, which goes on when there is some again
(`vmlab.upkeep.volumes`); any other error is the guest's to handle."""


def make_blockdev(node: str, path: str) -> dict[str, object]:
    """Return a qcow2 disk that gives back what the guest discards, locked against a second use."""
    return {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": path, "discard": "unmap", "locking": "on"},
    }


async def ensure_overlay(overlay: Path, base: Path, user: WorkerUser) -> bool:
    """Make the machine's root disk over the image unless it is there; return whether it was made.

    Raises:
        HostError: the disk is full or qemu-img failed.
    """
    if overlay.exists():
        return False
    partial = overlay.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    await run_tool(
        "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base),
        "-o", "extended_l2=on,cluster_size=128k,lazy_refcounts=on", str(partial),
    )  # fmt: skip
    user.give(partial)
    partial.rename(overlay)
    return True


async def check_overlay(overlay: Path, user: WorkerUser) -> None:
    """Check that a root disk can be opened with all that it is based on; changes nothing.

    As the machine's user: its QEMU may have written a reference to any file of the host into it.

    Raises:
        HostError: it, or its image, is missing or damaged.
    """
    await run_tool(
        "qemu-img", "info", "-U", "--backing-chain", "--output=json", str(overlay), user=user
    )


_NAME = re.compile(r"root-(?P<version>.+)-(?P<at>[0-9]{1,11})\.qcow2")


def keep_root_disk(machine: Machine, image_version: str) -> Path | None:
    """Keep the root disk of an older image under another name; return it, None without one."""
    if not machine.root_disk.exists():
        return None
    name = f"root-{image_version}-{int(time.time())}.qcow2"
    return machine.root_disk.rename(machine.root_disk.with_name(name))


def list_old_disks(machine: Machine) -> list[OldDisk]:
    """Return the machine's older root disks, the newest first."""
    found = []
    for path in machine.path.glob("root-*.qcow2"):
        if match := _NAME.fullmatch(path.name):
            size_mib = taken_mib(path)
            at = float(match["at"])
            found.append(OldDisk(machine.name, match["version"], at, size_mib, str(path)))
    return sorted(found, key=lambda disk: disk.at, reverse=True)


def prune_old_disks(machines: Path, before: float) -> list[OldDisk]:
    """Remove root disks that were replaced before this time (seconds since the epoch).

    One that cannot be removed is logged.
    """
    gone = []
    for path in sorted(machines.iterdir()) if machines.is_dir() else ():
        with apart(f"{path.name}: an old root disk could not be removed"):
            for disk in list_old_disks(Machine(path)):
                if disk.at < before:
                    Path(disk.path).unlink(missing_ok=True)
                    gone.append(disk)
    return gone
