"""The registry of volumes as the reconciler sees it: who holds what; nothing is ever deleted."""

from __future__ import annotations

from vmlab.upkeep.reconcile.facts import HeldVolume
from vmlab.volumes.store import VolumeStore


class RegistryHolders:
    """The holders of one lab's volumes (`vmlab.upkeep.reconcile.driver.VolumeHolders`)."""

    def __init__(self, store: VolumeStore) -> None:
        self._store = store

    async def held(self) -> tuple[HeldVolume, ...]:
        """Return the volumes that a machine holds."""
        volumes = await self._store.all()
        return tuple(HeldVolume(v.name, v.holder) for v in volumes if v.holder)

    async def release(self, volume: HeldVolume) -> None:
        """Let go what this machine holds, which does not run; no-op if it holds nothing."""
        await self._store.detach(volume.holder)
