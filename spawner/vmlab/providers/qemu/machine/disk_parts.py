"""What machines take of the host's disk (contract: `vmlab.volumes.live.CountsDisk`)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from vmlab.errors import HostError, ProviderError
from vmlab.images.store import ImageStore
from vmlab.model import DiskKind, DiskPart
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.aside import list_aside
from vmlab.providers.qemu.machine.disks import list_old_disks
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.system.disk_space import taken_mib
from vmlab.volumes.allowance import DIAGNOSTICS, full_mib

_CONSOLE_MIB = 1
"""The console's end, records and keys."""


class DiskPartsOfQemu:
    """The methods of `vmlab.volumes.live.CountsDisk`; a part of `QemuProvider`."""

    _paths: Paths
    _images: ImageStore

    def system_disk_mib(self) -> int:
        """Return the size of the largest system disk."""
        return max((image.disk_size_mib for image in self._images.list()), default=0)

    async def disk_parts(self) -> list[DiskPart]:
        """Return what all machines take."""
        return await asyncio.to_thread(lambda: find_parts(self._paths, self.system_disk_mib()))

    async def remove_part(self, part: DiskPart) -> None:
        """Remove what was put away."""
        await asyncio.to_thread(remove_part, part)


def find_parts(paths: Paths, system_mib: int) -> list[DiskPart]:
    """Return what all machines take, those included that were set aside.

    Args:
        system_mib: the size of a system disk.
    """
    parts = [
        DiskPart(
            DiskKind.ASIDE, kept.owner, kept.machine, kept.folder, kept.size_mib, kept.size_mib,
            kept.at,
        )
        for kept in list_aside(paths.aside)
    ]  # fmt: skip
    for path in sorted(paths.machines.iterdir()) if paths.machines.is_dir() else ():
        if path.is_dir():
            parts += _machine_parts(Machine(path), system_mib)
    return parts


def _machine_parts(machine: Machine, system_mib: int) -> list[DiskPart]:
    name, owner = machine.name, _find_owner(machine)
    parts = [
        DiskPart(DiskKind.OLD_DISK, owner, name, old.path, old.size_mib, old.size_mib, old.at)
        for old in list_old_disks(machine)
    ]
    if shown := taken_mib(machine.snapshot):
        parts.append(DiskPart(DiskKind.SHOWN, owner, name, str(machine.snapshot), shown, shown))
    taken = taken_mib(machine.root_disk) + _CONSOLE_MIB
    most = full_mib(system_mib) + _CONSOLE_MIB
    return [*parts, DiskPart(DiskKind.MACHINE, owner, name, str(machine.path), taken, most)]


def _find_owner(machine: Machine) -> str:
    try:
        record = machine.record()
    except ProviderError:
        return ""  # damaged: the name may tell whose it is
    return record.owner if record else ""


def remove_part(part: DiskPart) -> None:
    """Remove what was put away.

    Raises:
        HostError: it cannot be removed.
    """
    if part.kind not in DIAGNOSTICS:
        raise HostError(f"{part.path} ({part.kind}) is not removed: it could not be restored")
    try:
        if part.kind is DiskKind.ASIDE:
            shutil.rmtree(part.path)
        else:
            Path(part.path).unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"{part.path} cannot be removed: {error}") from error
