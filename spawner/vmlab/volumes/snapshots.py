"""Snapshots of volumes: take, thin, restore."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from vmlab.errors import VolumeConflictError
from vmlab.model import Volume
from vmlab.system.disk_space import SNAPSHOT_MIB, find_free_space, taken_mib
from vmlab.volumes.accounting import find_use, over_limit
from vmlab.volumes.attachment import settle_size
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.making_room import make_way
from vmlab.volumes.model import Snapshot
from vmlab.volumes.states import WAIT_S, drop, find_snapshot, list_snapshots
from vmlab.volumes.thinning import MAX_MANUAL, choose_superfluous
from vmlab_protocol.snapshots import Reason, make_snapshot_id

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    snapshot: Snapshot
    kept: Snapshot  # what it replaced
    size_mib: int  # of the volume now


async def take_snapshot(context: VolumeContext, name: str, reason: Reason) -> Snapshot:
    """Take a snapshot of a volume, its machine running or not.

    Of a running machine it is taken while the file systems in the machine are frozen; there is no
    other kind. So what is in a snapshot is whole, and a machine whose agent is out of order has
    none.

    Raises:
        VolumeNotFoundError, VolumeConflictError, VolumeError: it cannot be taken now, or its owner
            may not take so much of the host's disk.
        ProviderError: the machine could not be frozen.
        HostError: the host's disk is too full, or a tool failed.
    """
    async with context.using(name, f"a snapshot ({reason})", wait_s=WAIT_S) as (volume, lock):
        return await take(context, volume, lock, reason)


async def take(
    context: VolumeContext,
    volume: Volume,
    lock: int,
    reason: Reason,
    *,
    sparing: str = "",
    limited: bool = True,
) -> Snapshot:
    """Take a snapshot as `take_snapshot` does; the caller holds the volume.

    Args:
        sparing: another snapshot, which must not be deleted for this one.
        limited: refuse it where the owner may not take so much of the host's disk.
    """
    image = context.image(volume, lock)
    _, snapshots = await asyncio.to_thread(image.read)
    if reason is Reason.MANUAL:
        _check_manual(volume, snapshots)
    find_free_space(context.folder).require(SNAPSHOT_MIB, f"a snapshot of {volume.name}")
    what = f"a snapshot ({reason})"
    more_mib = 0 if snapshots else taken_mib(image.path)
    if limited:
        await make_way(context, volume, lock, what, more_mib=more_mib, sparing=sparing)
    snapshot_id = _free_id(snapshots, reason, context.clock())
    if holder := await context.living_holder(volume):
        await context.live(volume.name).snapshot_volume(holder, snapshot_id)
    else:
        await image.take_snapshot(snapshot_id)
    taken = find_snapshot(volume, await list_snapshots(context, volume), snapshot_id)
    if (
        limited and (use := await find_use(context, volume)).spare_mib < 0
    ):  # the machine went on writing until it froze
        await drop(context, volume, lock, [taken])
        raise over_limit(volume, use, what, 0)
    return taken


async def thin(context: VolumeContext, name: str) -> list[Snapshot]:
    """Delete the snapshots of a volume that are not kept any more; return them.

    Raises:
        LabError: as `delete_snapshot`.
    """
    volume = await context.find(name)
    snapshots = await list_snapshots(context, volume)
    if not choose_superfluous(snapshots, context.clock()):
        return []  # the usual case costs no lock
    async with context.using(name, "thinning of snapshots") as (entry, lock):
        which = choose_superfluous(await list_snapshots(context, entry), context.clock())
        await drop(context, entry, lock, which)
        return which


async def restore(context: VolumeContext, name: str, snapshot: str) -> Restored:
    """Make a snapshot the volume's content; what it replaces is kept as a snapshot.

    The volume keeps its present size if the snapshot's is smaller; the file system follows at the
    machine's next start. Cut anywhere, the volume holds the old or the new content, whole, and
    the old one is a snapshot as soon as anything was changed.

    Raises:
        VolumeNotFoundError: no such volume or snapshot.
        VolumeConflictError: a machine runs with it, or something else is done with it.
        HostError: the host's disk is too full, or a tool failed.
    """
    async with context.using_alone(name, f"a restore of {snapshot}") as (entry, lock):
        image = context.image(entry, lock)
        found = find_snapshot(entry, await list_snapshots(context, entry), snapshot)
        volume = await settle_size(context, entry, image)
        kept = await take(context, volume, lock, Reason.KEPT, sparing=found.id)
        # From here on the volume may be the smaller one: recorded before it is.
        if found.size_mib != volume.size_mib:
            volume = await context.ask(lambda registry: registry.change(name, needs_grow=True))
        await image.apply_snapshot(found.id)
        volume = await settle_size(context, volume, image)
        _log.info("%s: restored to %s; the former content is %s", name, found.id, kept.id)
        return Restored(found, kept, volume.size_mib)


def _check_manual(volume: Volume, snapshots: list[Snapshot]) -> None:
    manual = [snapshot for snapshot in snapshots if snapshot.reason is Reason.MANUAL]
    if len(manual) >= MAX_MANUAL:
        raise VolumeConflictError(
            volume.name,
            f"it has {MAX_MANUAL} snapshots taken by hand already, which are kept until "
            "somebody deletes one",
            hint=f"vmlab volume snapshot {volume.name} --delete {manual[0].id}",
        )


def _free_id(snapshots: list[Snapshot], reason: Reason, now: float) -> str:
    """Return a new snapshot's name: of now, or of the next second that has none yet."""
    taken = {snapshot.id for snapshot in snapshots}
    second = int(now)
    while (snapshot_id := make_snapshot_id(reason, second)) in taken:
        second += 1
    return snapshot_id
