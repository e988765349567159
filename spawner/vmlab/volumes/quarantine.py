"""Deleting a volume, bringing it back, and removing it for good after its quarantine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

from vmlab.errors import ConfigError, VolumeConflictError, VolumeNotFoundError
from vmlab.model import Volume, VolumeState
from vmlab.system.background import apart
from vmlab.system.disk_space import taken_mib
from vmlab.volumes.accounting import check_size
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import missing_file
from vmlab.volumes.locks import delete_snapshots, forget_locks
from vmlab.volumes.model import QUARANTINE_DAYS, make_quarantine_name, own_name

_DAY_S = 86400.0
_MAX_DAYS = 3650.0
_log = logging.getLogger(__name__)


async def delete(context: VolumeContext, name: str, days: float = QUARANTINE_DAYS) -> Volume | None:
    """Put a volume into quarantine; return its entry there. Its name is free afterwards.

    A volume whose file is gone is forgotten at once, and None is returned: there is nothing to
    bring back.

    Raises:
        VolumeNotFoundError: no such volume.
        VolumeConflictError: a machine runs with it, it is being read, or deleted already.
        ConfigError: the number of days is out of range.
    """
    if not 0 < days <= _MAX_DAYS:
        raise ConfigError(f"{days:g} days of quarantine", hint=f"more than 0, up to {_MAX_DAYS:g}")
    async with context.using_alone(name, "deleting") as (volume, lock):
        path = context.path(volume)
        if not path.exists():
            await context.ask(lambda registry: registry.remove(name))
            await _forget_locks(context, name)
            _log.warning("%s: forgotten; its file %s was gone already", name, path)
            return None
        now = context.clock()
        with delete_snapshots(context.locks, name):
            await context.image(volume, lock).check_unused()
            second = int(now)
            while (context.quarantine / f"{make_quarantine_name(name, second)}.qcow2").exists():
                second += 1
            gone = replace(
                volume,
                name=make_quarantine_name(name, second),
                quarantined_at=float(second),
                purge_after=now + days * _DAY_S,
            )
            context.quarantine.mkdir(mode=0o711, exist_ok=True)
            context.quarantine.chmod(0o711)
            # The file first: what a crash leaves then says by itself what it is (`repair`).
            path.rename(context.path(gone))
            await context.ask(
                lambda registry: registry.change(
                    name,
                    name=gone.name,
                    quarantined_at=gone.quarantined_at,
                    purge_after=gone.purge_after,
                )
            )
        _log.info("%s: in quarantine as %s for %g days", name, gone.name, days)
        return gone


async def undelete(context: VolumeContext, name: str) -> Volume:
    """Bring a deleted volume back under its own name.

    Args:
        name: as it is called in quarantine, or its own: then the one deleted last.

    Raises:
        VolumeNotFoundError: no such volume.
        VolumeConflictError: it is not deleted, or there is a volume of its name again.
        VolumeError: its file is gone, damaged, or larger than the volume was.
    """
    wanted = await _find_deleted(context, name)
    async with context.using(wanted.name, "bringing it back", quarantined=True) as (volume, _):
        own = own_name(volume.name)
        target = context.folder / f"{own}.qcow2"
        if target.exists() or await context.knows(own):
            raise VolumeConflictError(
                own,
                f"there is a volume of this name, so {volume.name} cannot come back",
                hint=f"delete that one first, which can be undone, too: vmlab volume delete {own}",
            )
        path = context.path(volume)
        if not path.exists():
            raise missing_file(volume.name, path)
        header, _ = await asyncio.to_thread(context.image(volume).read)
        await check_size(context, volume, header.size_mib)
        path.rename(target)
        back = await context.ask(
            lambda registry: registry.change(
                volume.name, name=own, quarantined_at=None, purge_after=None
            )
        )
        _log.info("%s: back from quarantine as %s", volume.name, own)
        return back


async def purge(context: VolumeContext) -> list[Volume]:
    """Remove for ever the volumes whose quarantine is over; return them. Each is logged.

    One that cannot be removed is logged.

    Raises:
        HostError: the registry cannot be used.
    """
    now = context.clock()
    entries = await context.ask(lambda registry: registry.all())
    gone = []
    for entry in entries:
        if entry.purge_after is None or entry.purge_after > now:
            continue
        with (
            apart(f"{entry.name}: not removed, though its quarantine is over"),
            contextlib.suppress(VolumeConflictError, VolumeNotFoundError),  # it is brought back
        ):
            async with context.using(entry.name, "purging", quarantined=True) as (volume, _):
                if volume.state is not VolumeState.QUARANTINED:
                    continue
                path = context.path(volume)
                mib = taken_mib(path)
                path.unlink(missing_ok=True)
                await context.ask(lambda registry, name=volume.name: registry.remove(name))  # type: ignore[misc]
                await _forget_locks(context, own_name(volume.name))
                _log.warning(
                    "%s: removed for good, as its quarantine is over (owner %r, %d MiB on disk)",
                    volume.name, volume.owner, mib,
                )  # fmt: skip
                gone.append(volume)
    return gone


async def _find_deleted(context: VolumeContext, name: str) -> Volume:
    entries = await context.ask(lambda registry: registry.all())
    deleted = [volume for volume in entries if volume.state is VolumeState.QUARANTINED]
    matching = [volume for volume in deleted if name in {volume.name, own_name(volume.name)}]
    if matching:
        return max(matching, key=lambda volume: volume.quarantined_at or 0.0)
    volume = await context.find(name)
    raise VolumeConflictError(volume.name, "it is not deleted")


async def _forget_locks(context: VolumeContext, own: str) -> None:
    """Remove the locks of a name that no volume has any more; the caller holds them."""
    entries = await context.ask(lambda registry: registry.all())
    if all(own_name(volume.name) != own for volume in entries):
        forget_locks(context.locks, own)
