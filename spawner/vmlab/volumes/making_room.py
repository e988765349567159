"""Making room: on the host's disk for all, and for each trainee within their limit.

Removed are first what is kept for diagnosis (machines set aside, system disks of older images),
then hourly snapshots, the oldest first: never what a volume holds now or somebody asked to keep.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

from vmlab.model import Volume, VolumeState
from vmlab.system.background import apart
from vmlab.system.disk_space import find_free_space
from vmlab.volumes.accounting import find_use, find_uses, over_limit, owner_of, remove_diagnostics
from vmlab.volumes.allowance import Use
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.model import Snapshot
from vmlab.volumes.states import delete_snapshot, drop, list_snapshots
from vmlab_protocol.snapshots import Reason

_log = logging.getLogger(__name__)


async def make_way(
    context: VolumeContext,
    volume: Volume,
    lock: int,
    what: str,
    *,
    more_mib: int = 0,
    sparing: str = "",
) -> None:
    """Make room for something more of a volume's owner; the caller holds the volume.

    Args:
        volume: as it is to be counted.
        what: what is added, for the message: "a snapshot (manual)".
        more_mib: by how much the owner's sum grows.
        sparing: a snapshot that is needed for it.

    Raises:
        VolumeConflictError: they may not take so much, or a snapshot that should go is being read.
        ProviderError, HostError: it cannot be looked up, or a snapshot does not go.
    """
    use = await find_use(context, volume)
    if use.spare_mib < more_mib:
        use = await remove_diagnostics(context, use, more_mib)
    if use.spare_mib >= more_mib:
        return
    for snapshot in await list_snapshots(context, volume):
        if snapshot.reason is not Reason.HOURLY or snapshot.id == sparing:
            continue
        await drop(context, volume, lock, [snapshot])
        _log.warning(
            "%s: deleted snapshot %s to make room for %s: %s may take %d MiB of the disk in all",
            volume.name, snapshot.id, what, use.owner, use.limit_mib,
        )  # fmt: skip
        use = await find_use(context, volume)
        if use.spare_mib >= more_mib:
            return
    raise over_limit(volume, use, what, more_mib)


async def keep_within(context: VolumeContext, volumes: Iterable[Volume]) -> set[str]:
    """Remove what trainees have beyond their limit; return those who are still beyond it.

    This is for excess that no operation here caused: a lowered limit, a file put there by hand.

    Raises:
        HostError: the registry cannot be used.
    """
    beyond = set()
    for owner, found in (await find_uses(context)).items():
        if found.taken_mib <= found.limit_mib:
            continue
        own = [volume for volume in volumes if owner_of(volume) == owner]
        with apart(f"{owner}: what exceeds the limit could not be removed"):
            use = await remove_diagnostics(context, found, 0)
            if use.taken_mib > use.limit_mib and own:
                use = await _drop_hourly(context, use, own)
            if use.taken_mib > use.limit_mib:
                beyond.add(owner)
    return beyond


async def _drop_hourly(context: VolumeContext, use: Use, volumes: list[Volume]) -> Use:
    async for volume, snapshot in _oldest_hourly(context, volumes):
        if await _delete(context, volume, snapshot):
            _log.warning(
                "%s: deleted snapshot %s: %s takes %d MiB of the disk in all and may take %d",
                volume.name, snapshot.id, use.owner, use.taken_mib, use.limit_mib,
            )  # fmt: skip
            use = await find_use(context, volume)
        if use.taken_mib <= use.limit_mib:
            break
    return use


async def free_hourly(context: VolumeContext, volumes: list[Volume]) -> list[str]:
    """Delete the oldest hourly snapshots of all until there is room for new ones; return them.

    Raises:
        HostError: the registry cannot be used.
    """
    gone = []
    async for volume, snapshot in _oldest_hourly(context, volumes):
        if find_free_space(context.folder).snapshots_spare_mib >= 0:
            break
        if await _delete(context, volume, snapshot):
            gone.append(f"{volume.name}/{snapshot.id}")
    return gone


async def _oldest_hourly(
    context: VolumeContext, volumes: Iterable[Volume]
) -> AsyncIterator[tuple[Volume, Snapshot]]:
    found: list[tuple[Volume, Snapshot]] = []
    for volume in volumes:
        if volume.state is VolumeState.QUARANTINED:
            continue
        with apart(f"{volume.name}: its snapshots could not be listed"):
            snapshots = await list_snapshots(context, volume)
            found += [(volume, each) for each in snapshots if each.reason is Reason.HOURLY]
    for entry in sorted(found, key=lambda entry: (entry[1].taken, entry[0].name)):
        yield entry


async def _delete(context: VolumeContext, volume: Volume, snapshot: Snapshot) -> bool:
    with apart(f"{volume.name}: {snapshot.id} could not be deleted") as part:
        await delete_snapshot(context, volume.name, snapshot.id)
    return part.error is None
