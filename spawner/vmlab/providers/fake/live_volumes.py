"""The volume of a running machine that does not exist."""

from __future__ import annotations

from pathlib import Path

from vmlab.errors import MachineConflictError
from vmlab.providers.fake.machines import FakeMachines
from vmlab.volumes.disk_image import DiskImage
from vmlab.volumes.store import VolumeStore


class LiveVolumesOfFake(FakeMachines):
    """The methods of `vmlab.volumes.live.LiveVolumes`; a part of `FakeProvider`."""

    volumes: VolumeStore

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._shown: dict[str, str] = {}  # machine → snapshot

    async def snapshot_volume(self, machine: str, snapshot: str) -> None:
        """Take a snapshot in the volume's file, for which `fake.json` asks by `volumes`."""
        await (await self._volume_file(machine)).take_snapshot(snapshot)

    async def delete_snapshot(self, machine: str, snapshot: str) -> None:
        """Delete a snapshot."""
        await (await self._volume_file(machine)).delete_snapshot(snapshot)

    async def grow_volume(self, machine: str, size_mib: int) -> None:
        """Make the file larger; there is no guest whose file system could follow."""
        await (await self._volume_file(machine)).grow(size_mib)

    async def show_snapshot(self, machine: str, snapshot: str) -> None:
        """Note what is shown."""
        await self._volume_file(machine)
        self._shown[machine] = snapshot

    async def hide_snapshot(self, machine: str) -> None:
        """Note that nothing is shown."""
        await self._volume_file(machine)
        self._shown.pop(machine, None)

    async def resume_paused(self, machine: str) -> bool:
        """Tell that it was not paused."""
        self._check_runs(machine, or_starts=True)
        return False

    async def _volume_file(self, machine: str) -> DiskImage:
        """Return the file of a running machine's volume."""
        self._check_runs(machine)
        context = self.volumes.context
        held = await context.ask(lambda registry: registry.attached_to(machine))
        if not held:
            raise MachineConflictError(machine, "it has no volume")
        return context.image(held[0])
