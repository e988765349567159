"""The provider's side of `LiveVolumes`: what is done to the volume of a machine that runs."""

from __future__ import annotations

from vmlab.model import MachineState
from vmlab.providers.agent.asking import tell_time
from vmlab.providers.qemu.channels import live
from vmlab.providers.qemu.channels.agent import AgentsOfQemu
from vmlab.providers.qemu.machine.status import machine_status
from vmlab.system.background import apart
from vmlab.volumes.store import VolumeStore


class LiveVolumesOfQemu(AgentsOfQemu):
    """The methods of `vmlab.volumes.live.LiveVolumes`; a part of `QemuProvider`."""

    volumes: VolumeStore

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
        """Let a machine that was paused for want of room go on, and tell it what time it is."""
        folder = self._folder(machine)
        if not await live.resume_paused(folder):
            return False
        if machine_status(folder).state is MachineState.RUNNING:  # else the seed sets its clock
            # Where the agent is busy with somebody else, it sees by itself that it stood still.
            with apart(f"{machine}: it was paused, and was not told what time it is"):
                await tell_time(self, machine)
        return True
