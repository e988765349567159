"""The provider's side of `LiveVolumes`: what is done to the volume of a machine that runs."""

from __future__ import annotations

from vmlab.providers.qemu.channels import live
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.volumes.store import VolumeStore


class LiveVolumesOfQemu:
    """The methods of `vmlab.volumes.live.LiveVolumes`; a part of `QemuProvider`."""

    volumes: VolumeStore

    def _folder(self, name: str) -> Machine:
        raise NotImplementedError

    async def snapshot_volume(self, machine: str, snapshot: str) -> None:
        """Take a snapshot of the volume while its file systems are frozen."""
        await live.snapshot_volume(self._folder(machine), snapshot)

    async def delete_snapshot(self, machine: str, snapshot: str) -> None:
        """Delete a snapshot of the volume."""
        await live.delete_snapshot(self._folder(machine), snapshot)

    async def grow_volume(self, machine: str, size_mib: int) -> None:
        """Make the volume, and the file system on it, larger."""
        await live.grow_volume(self._folder(machine), size_mib)

    async def show_snapshot(self, machine: str, snapshot: str) -> None:
        """Mount a copy of a snapshot, read-only, in the machine."""
        await live.show_snapshot(self._folder(machine), self.volumes.context, snapshot)

    async def hide_snapshot(self, machine: str) -> None:
        """Take away what `show_snapshot` showed."""
        await live.hide_snapshot(self._folder(machine))

    async def resume_paused(self, machine: str) -> bool:
        """Let a machine that was paused for want of room go on."""
        return await live.resume_paused(self._folder(machine))
