"""VolumeStore: the only way to make, change and delete a volume.

    store = VolumeStore(paths, provider)
    async with store.attach(spec, spec.volume) as attached: ...
    await store.snapshot("home-ada-0123456789ab", Reason.MANUAL)

One for each process; any number of them, the hub's and the command line's, work at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from vmlab.errors import VolumeError, VolumeNotFoundError
from vmlab.lab.toml_errors import nearest
from vmlab.model import Allowance, MachineSpec, Volume, VolumeSpec, VolumeState
from vmlab.names import volume_name
from vmlab.paths import Paths
from vmlab.system.worker import WorkerUser, find_tools_user
from vmlab.volumes import (
    accounting,
    attachment,
    importing,
    quarantine,
    repair,
    sizes,
    states,
    transfer,
)
from vmlab.volumes import snapshots as taking
from vmlab.volumes.allowance import Use
from vmlab.volumes.context import Machines, VolumeContext
from vmlab.volumes.making_room import make_way
from vmlab.volumes.model import QUARANTINE_DAYS, ExportFormat, Snapshot, own_name
from vmlab_protocol.snapshots import Reason


class VolumeStore:
    """All volumes of one state folder.

    Args:
        paths: where they are.
        machines: the provider: it knows which machines run, and may work on their volumes.
        find_user: whom the files belong to.
        allowance: what one trainee may take.
    """

    def __init__(
        self,
        paths: Paths,
        machines: Machines,
        find_user: Callable[[], WorkerUser] = find_tools_user,
        allowance: Allowance = Allowance(),  # noqa: B008 - frozen
    ) -> None:
        self.context = VolumeContext(paths, machines, find_user, allowance=allowance)

    async def all(self) -> list[Volume]:
        """Return all volumes, by name, those in quarantine included."""
        await repair.settle(self.context)
        return await self.context.ask(lambda registry: registry.all())

    async def find(self, name: str, *, suggest: bool = True) -> Volume:
        """Return the volume of this name, or the one of this user.

        Args:
            suggest: name the nearest if there is none; not where a mistake costs others' data.

        Raises:
            VolumeNotFoundError: there is none; names the nearest.
        """
        volumes = {volume.name: volume for volume in await self.all()}
        for wanted in (name, volume_name(name)):
            if wanted in volumes:
                return volumes[wanted]
        shown = "".join(char if char.isprintable() else "·" for char in name[:100])
        close = nearest(name, [*volumes, *(v.owner for v in volumes.values() if v.owner)])
        hint = (
            f"did you mean {close}?"
            if close and suggest
            else "`vmlab volume list` shows all volumes"
        )
        raise VolumeNotFoundError(shown, "no volume of this name, and no user with one", hint=hint)

    def attach(
        self, spec: MachineSpec, wanted: VolumeSpec, *, runs: bool = False
    ) -> contextlib.AbstractAsyncContextManager[attachment.Attached]:
        """Give a machine its volume for a start (`attachment.attach`)."""
        return attachment.attach(self.context, spec, wanted, runs=runs)

    async def require_alone(self, name: str) -> None:
        """Make sure that no machine has this volume and nothing is done with it now.

        Raises:
            VolumeNotFoundError, VolumeConflictError: as `VolumeContext.using_alone`.
        """
        async with self.context.using_alone(name, "a look at it"):
            pass

    async def detach(self, machine: str) -> list[str]:
        """Take its volumes from a machine that does not run (`attachment.detach`)."""
        return await attachment.detach(self.context, machine)

    async def grown(self, name: str) -> None:
        """Note that the file system in a volume is as large as the volume."""
        await self.context.ask(lambda registry: registry.change(name, needs_grow=False))

    async def snapshots(self, name: str) -> list[Snapshot]:
        """Return a volume's snapshots, oldest first (`states.list_snapshots`)."""
        return await states.list_snapshots(self.context, await self.context.find(name))

    async def snapshot(self, name: str, reason: Reason) -> Snapshot:
        """Take a snapshot (`snapshots.take_snapshot`)."""
        return await taking.take_snapshot(self.context, name, reason)

    async def delete_snapshot(self, name: str, snapshot: str) -> None:
        """Delete a snapshot (`states.delete_snapshot`)."""
        await states.delete_snapshot(self.context, name, snapshot)

    async def thin(self, name: str) -> list[Snapshot]:
        """Delete the snapshots that are not kept any more (`snapshots.thin`)."""
        return await taking.thin(self.context, name)

    async def restore(self, name: str, snapshot: str) -> taking.Restored:
        """Make a snapshot the content of a volume (`snapshots.restore`)."""
        return await taking.restore(self.context, name, snapshot)

    async def show_snapshot(self, name: str, snapshot: str) -> None:
        """Mount a snapshot in the machine that runs with the volume (`LiveVolumes`).

        Raises:
            VolumeNotFoundError: no such volume or snapshot.
            VolumeConflictError: no machine runs with it.
            ProviderError, HostError: it cannot be shown.
        """
        async with self.context.using(name, "showing a snapshot", wait_s=states.WAIT_S) as (
            volume,
            lock,
        ):
            found = await states.list_snapshots(self.context, volume)
            state = states.find_snapshot(volume, found, snapshot)
            holder = await self._running_holder(volume)
            live = self.context.live(name)
            await live.hide_snapshot(holder)
            mib = transfer.copy_mib(self.context.image(volume), state)
            await make_way(
                self.context, volume, lock, "showing a snapshot", more_mib=mib, sparing=snapshot
            )
            await live.show_snapshot(holder, snapshot)

    async def hide_snapshot(self, name: str) -> None:
        """Take away what was shown; raises as `show_snapshot`."""
        async with self.context.using(name, "hiding a snapshot", wait_s=states.WAIT_S) as (
            volume,
            _,
        ):
            await self.context.live(name).hide_snapshot(await self._running_holder(volume))

    async def grow(self, name: str, size_mib: int) -> Volume:
        """Make a volume larger (`sizes.grow`)."""
        return await sizes.grow(self.context, name, size_mib)

    async def export(
        self, name: str, target: Path, form: ExportFormat, snapshot: str = ""
    ) -> Snapshot:
        """Write a copy into a new file (`transfer.export`)."""
        return await transfer.export(self.context, name, target, form, snapshot)

    def exported(
        self, name: str, form: ExportFormat, snapshot: str = ""
    ) -> contextlib.AbstractAsyncContextManager[tuple[Path, Snapshot]]:
        """Give a copy for the body's time (`transfer.exported`)."""
        return transfer.exported(self.context, name, form, snapshot)

    async def import_volume(self, request: importing.Import) -> Volume:
        """Make a volume of a file (`importing.import_volume`)."""
        return await importing.import_volume(self.context, request)

    async def delete(self, name: str, days: float = QUARANTINE_DAYS) -> Volume | None:
        """Put a volume into quarantine (`quarantine.delete`)."""
        return await quarantine.delete(self.context, name, days)

    async def undelete(self, name: str) -> Volume:
        """Bring a volume back (`quarantine.undelete`)."""
        await repair.settle(self.context)
        return await quarantine.undelete(self.context, name)

    async def purge(self) -> list[Volume]:
        """Remove for ever what was long enough in quarantine (`quarantine.purge`)."""
        return await quarantine.purge(self.context)

    async def uses(self) -> dict[str, Use]:
        """Return what each trainee takes of the disk (`accounting.find_uses`)."""
        return await accounting.find_uses(self.context)

    async def use(self, volume: Volume) -> Use:
        """Return what the owner of a volume takes of the disk (`accounting.find_use`)."""
        return await accounting.find_use(self.context, volume)

    async def keep_put_away(self, owner: str, machine: str, path: Path) -> bool:
        """Keep what was put away of a machine if its trainee may take that much.

        Older machines set aside and system disks may be removed for it.

        Args:
            machine: whose next start makes a new system disk.
            path: what was put away.

        Returns:
            Whether it is still there.
        """
        await accounting.trim_made_anew(self.context, owner, machine)
        return path.exists()

    async def _running_holder(self, volume: Volume) -> str:
        holder = await self.context.living_holder(volume)
        if not holder:
            raise VolumeError(
                volume.name, "no machine runs with it", hint="start the machine, then try again"
            )
        return holder


@runtime_checkable
class KeepsVolumes(Protocol):
    """A provider that has a store of its own."""

    volumes: VolumeStore


def store_of(provider: Machines, paths: Paths) -> VolumeStore:
    """Return a provider's volumes: its own store, if it has one."""
    if isinstance(provider, KeepsVolumes):
        return provider.volumes
    return VolumeStore(paths, provider)


def deleted_name(volume: Volume) -> str:
    """Return what a volume was, or is, called when it is not in quarantine."""
    if volume.state is not VolumeState.QUARANTINED:
        return volume.name
    return own_name(volume.name)
