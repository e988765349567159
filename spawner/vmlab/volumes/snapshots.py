"""Snapshots of volumes: take, list, delete, thin, restore.

They are qcow2's own, inside the volume's file (docs/decisions/0007). The file is the only place
that knows them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from vmlab.background import apart
from vmlab.errors import VolumeConflictError, VolumeNotFoundError
from vmlab.room import SNAPSHOT_MIB, find_room
from vmlab.toml_errors import nearest
from vmlab.volumes.ground import Ground
from vmlab.volumes.holding import settle_size
from vmlab.volumes.locks import delete_snapshots
from vmlab.volumes.model import Reason, Snapshot, Volume, make_snapshot_id
from vmlab.volumes.thinning import MOST_MANUAL, choose_superfluous

WAIT_S = 10.0
"""How long an operation waits for another one on the same volume."""

_MOST_ALIKE = 60
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    snapshot: Snapshot
    kept: Snapshot  # what it replaced
    size_mib: int  # of the volume now


async def list_snapshots(ground: Ground, volume: Volume) -> list[Snapshot]:
    """Return a volume's snapshots, oldest first.

    Raises:
        VolumeError: its file is gone or damaged.
    """
    _, snapshots = await asyncio.to_thread(ground.image(volume).read)
    return snapshots


async def take_snapshot(ground: Ground, name: str, reason: Reason) -> Snapshot:
    """Take a snapshot of a volume, its machine running or not.

    Of a running machine it is taken while the file systems in the machine are frozen; there is no
    other kind. So what is in a snapshot is whole, and a machine whose agent is out of order has
    none.

    Raises:
        VolumeNotFoundError, VolumeConflictError, VolumeError: it cannot be taken now.
        ProviderError: the machine could not be frozen.
        HostError: the host's disk is too full, or a tool failed.
    """
    async with ground.using(name, f"a snapshot ({reason})", wait_s=WAIT_S) as (volume, lock):
        return await take(ground, volume, lock, reason)


async def take(ground: Ground, volume: Volume, lock: int, reason: Reason) -> Snapshot:
    """Take a snapshot as `take_snapshot` does; the caller has the volume."""
    image = ground.image(volume, lock)
    _, snapshots = await asyncio.to_thread(image.read)
    if reason is Reason.MANUAL:
        _check_manual(volume, snapshots)
    find_room(ground.folder).require(SNAPSHOT_MIB, f"a snapshot of {volume.name}")
    wish = _free_id(snapshots, reason, ground.clock())
    if holder := await ground.living_holder(volume):
        await ground.live(volume.name).snapshot_volume(holder, wish)
    else:
        await image.take_snapshot(wish)
    return find_snapshot(volume, await list_snapshots(ground, volume), wish)


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
    """Delete snapshots; the caller has the volume. Raises as `delete_snapshot`."""
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


async def thin(ground: Ground, name: str) -> list[Snapshot]:
    """Delete the snapshots of a volume that are not kept any more; return them.

    Raises:
        LabError: as `delete_snapshot`.
    """
    volume = await ground.find(name)
    snapshots = await list_snapshots(ground, volume)
    if not choose_superfluous(snapshots, ground.clock()):
        return []  # the usual case costs no lock
    async with ground.using(name, "thinning of snapshots") as (entry, lock):
        which = choose_superfluous(await list_snapshots(ground, entry), ground.clock())
        await drop(ground, entry, lock, which)
        return which


async def restore(ground: Ground, name: str, snapshot: str) -> Restored:
    """Make a snapshot the volume's content; what it replaces is kept as a snapshot.

    The volume keeps its present size if the snapshot's is smaller; the file system follows at the
    machine's next start. Cut anywhere, the volume holds the old or the new content, whole, and
    the old one is a snapshot as soon as anything was changed.

    Raises:
        VolumeNotFoundError: no such volume or snapshot.
        VolumeConflictError: a machine runs with it, or something else is done with it.
        HostError: the host's disk is too full, or a tool failed.
    """
    async with ground.using_alone(name, f"a restore of {snapshot}") as (entry, lock):
        image = ground.image(entry, lock)
        found = find_snapshot(entry, await list_snapshots(ground, entry), snapshot)
        volume = await settle_size(ground, entry, image)
        kept = await take(ground, volume, lock, Reason.KEPT)
        # From here on the volume may be the smaller one: recorded before it is.
        if found.size_mib != volume.size_mib:
            volume = await ground.ask(lambda registry: registry.change(name, needs_grow=True))
        await image.apply_snapshot(found.id)
        volume = await settle_size(ground, volume, image)
        _log.info("%s: restored to %s; the former content is %s", name, found.id, kept.id)
        return Restored(found, kept, volume.size_mib)


async def free_hourly(ground: Ground, volumes: list[Volume]) -> list[str]:
    """Delete the oldest hourly snapshots of all until there is room for new ones; return them.

    Raises:
        HostError: the registry cannot be used.
    """
    oldest: list[tuple[float, str, Snapshot]] = []
    for volume in volumes:
        with apart(f"{volume.name}: its snapshots are not known"):
            snapshots = await list_snapshots(ground, volume)
            hourly = (s for s in snapshots if s.reason is Reason.HOURLY)
            oldest += [(snapshot.taken, volume.name, snapshot) for snapshot in hourly]
    gone = []
    for _, name, snapshot in sorted(oldest, key=lambda entry: entry[:2]):
        if find_room(ground.folder).snapshots_spare_mib >= 0:
            break
        with apart(f"{name}: {snapshot.id} does not go"):
            await delete_snapshot(ground, name, snapshot.id)
            gone.append(f"{name}/{snapshot.id}")
    return gone


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


def _check_manual(volume: Volume, snapshots: list[Snapshot]) -> None:
    manual = [snapshot for snapshot in snapshots if snapshot.reason is Reason.MANUAL]
    if len(manual) >= MOST_MANUAL:
        raise VolumeConflictError(
            volume.name,
            f"it has {MOST_MANUAL} snapshots taken by hand already, which are kept until "
            "somebody deletes one",
            hint=f"vmlab volume snapshot {volume.name} --delete {manual[0].id}",
        )


def _free_id(snapshots: list[Snapshot], reason: Reason, now: float) -> str:
    """Return a new snapshot's name: of now, or of the next second that has none yet."""
    taken = {snapshot.id for snapshot in snapshots}
    second = int(now)
    while (wish := make_snapshot_id(reason, second)) in taken:
        second += 1
    return wish
