"""The snapshots that a volume has: list, find, delete.

They are qcow2's own, inside the volume's file (docs/decisions/0009). The file is the only place
that knows them.
"""

from __future__ import annotations

import asyncio

from vmlab.errors import VolumeNotFoundError
from vmlab.lab.toml_errors import nearest
from vmlab.model import Volume
from vmlab.volumes.ground import Ground
from vmlab.volumes.locks import delete_snapshots
from vmlab.volumes.model import Snapshot

WAIT_S = 10.0
"""How long an operation waits for another one on the same volume."""

_MOST_ALIKE = 60


async def list_snapshots(ground: Ground, volume: Volume) -> list[Snapshot]:
    """Return a volume's snapshots, oldest first.

    Raises:
        VolumeError: its file is gone or damaged.
    """
    _, snapshots = await asyncio.to_thread(ground.image(volume).read)
    return snapshots


def find_snapshot(volume: Volume, snapshots: list[Snapshot], wanted: str) -> Snapshot:
    """Return the snapshot of this name.

    Raises:
        VolumeNotFoundError: there is none; names the nearest.
    """
    for snapshot in snapshots:
        if snapshot.id == wanted:
            return snapshot
    shown = "".join(char if char.isprintable() else "·" for char in wanted[:_MOST_ALIKE])
    close = nearest(wanted, [snapshot.id for snapshot in snapshots])
    raise VolumeNotFoundError(
        volume.name,
        f"it has no snapshot {shown}",
        hint=f"did you mean {close}?" if close else f"vmlab volume show {volume.name} lists them",
    )


async def delete_snapshot(ground: Ground, name: str, snapshot: str) -> None:
    """Delete a snapshot of a volume, its machine running or not.

    Raises:
        VolumeNotFoundError, VolumeConflictError: there is none, or it is being read.
        ProviderError, HostError: it cannot be deleted.
    """
    async with ground.using(name, "deleting a snapshot", wait_s=WAIT_S) as (volume, lock):
        found = find_snapshot(volume, await list_snapshots(ground, volume), snapshot)
        await drop(ground, volume, lock, [found])


async def drop(ground: Ground, volume: Volume, lock: int, which: list[Snapshot]) -> None:
    """Delete snapshots; the caller holds the volume. Raises as `delete_snapshot`."""
    if not which:
        return
    image = ground.image(volume, lock)
    with delete_snapshots(ground.locks, volume.name):
        holder = await ground.living_holder(volume)
        for snapshot in which:
            if holder:
                await ground.live(volume.name).delete_snapshot(holder, snapshot.id)
            else:
                await image.delete_snapshot(snapshot.id)
