"""The snapshots that a volume has: list, find, delete.

They are qcow2's own, inside the volume's file (docs/decisions/0009). The file is the only place
that knows them.
"""

from __future__ import annotations

import asyncio

from vmlab.errors import VolumeNotFoundError
from vmlab.lab.toml_errors import nearest
from vmlab.model import Volume
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.locks import delete_snapshots
from vmlab.volumes.model import Snapshot

WAIT_S = 10.0
"""How long an operation waits for another one on the same volume."""

_MAX_ALIKE = 60


async def list_snapshots(context: VolumeContext, volume: Volume) -> list[Snapshot]:
    """Return a volume's snapshots, oldest first.

    Raises:
        VolumeError: its file is gone or damaged.
    """
    _, snapshots = await asyncio.to_thread(context.image(volume).read)
    return snapshots


def find_snapshot(volume: Volume, snapshots: list[Snapshot], wanted: str) -> Snapshot:
    """Return the snapshot of this name.

    Raises:
        VolumeNotFoundError: there is none; names the nearest.
    """
    for snapshot in snapshots:
        if snapshot.id == wanted:
            return snapshot
    shown = "".join(char if char.isprintable() else "·" for char in wanted[:_MAX_ALIKE])
    close = nearest(wanted, [snapshot.id for snapshot in snapshots])
    raise VolumeNotFoundError(
        volume.name,
        f"it has no snapshot {shown}",
        hint=f"did you mean {close}?" if close else f"vmlab volume show {volume.name} lists them",
    )


async def delete_snapshot(context: VolumeContext, name: str, snapshot: str) -> None:
    """Delete a snapshot of a volume, its machine running or not.

    Raises:
        VolumeNotFoundError, VolumeConflictError: there is none, or it is being read.
        ProviderError, HostError: it cannot be deleted.
    """
    async with context.using(name, "deleting a snapshot", wait_s=WAIT_S) as (volume, lock):
        found = find_snapshot(volume, await list_snapshots(context, volume), snapshot)
        await drop(context, volume, lock, [found])


async def drop(context: VolumeContext, volume: Volume, lock: int, which: list[Snapshot]) -> None:
    """Delete snapshots; the caller holds the volume. Raises as `delete_snapshot`."""
    if not which:
        return
    image = context.image(volume, lock)
    with delete_snapshots(context.locks, volume.name):
        holder = await context.living_holder(volume)
        for snapshot in which:
            if holder:
                await context.live(volume.name).delete_snapshot(holder, snapshot.id)
            else:
                await image.delete_snapshot(snapshot.id)
