"""What each trainee takes of the host's disk: measured each time, never recorded."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from vmlab import messages
from vmlab.errors import LabError, VolumeConflictError, VolumeError
from vmlab.model import Allowance, DiskKind, DiskPart, Volume, VolumeState
from vmlab.names import is_home, machine_name
from vmlab.system.disk_space import taken_mib
from vmlab.volumes.allowance import (
    Use,
    largest_volume_mib,
    limit_mib,
    volume_most_mib,
    with_system_disks,
)
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.live import CountsDisk

_log = logging.getLogger(__name__)


def owner_of(volume: Volume) -> str:
    """Return whose a volume is; one of an older VMLab counts as its own owner."""
    return volume.owner or volume.name


async def find_use(context: VolumeContext, volume: Volume) -> Use:
    """Return what the owner of a volume takes, this volume being as it is given.

    Raises:
        HostError: the registry cannot be used.
    """
    return (await find_uses(context, given=volume))[owner_of(volume)]


async def find_uses(context: VolumeContext, *, given: Volume | None = None) -> dict[str, Use]:
    """Return what every trainee takes, by name.

    Args:
        given: how a volume is to be counted, instead of what the registry says; then only its
            owner's volumes are looked at.

    Raises:
        HostError: the registry cannot be used.
    """
    volumes = {volume.name: volume for volume in await context.ask(lambda registry: registry.all())}
    owners = {machine_name(v.owner, v.server): v.owner for v in volumes.values() if v.owner}
    if given:
        own = {v.name: v for v in volumes.values() if owner_of(v) == owner_of(given)}
        volumes = {**own, given.name: given}
    machines, system_mib = [], 0
    if isinstance(context.machines, CountsDisk):
        machines = await context.machines.disk_parts()
        system_mib = await _system_disk_mib(context)
    parts = await asyncio.to_thread(_volume_parts, context, volumes.values())
    by_owner: dict[str, list[DiskPart]] = defaultdict(list)
    for part in (*parts, *machines):
        # A machine with a damaged record still belongs to somebody.
        by_owner[part.owner or owners.get(part.name, "")].append(part)
    sizes: dict[str, int] = defaultdict(int)
    for volume in volumes.values():
        owner = owner_of(volume)
        # Those of further machines are in the allowance already; one without owner is no trainee's.
        if not context.allowance.nodes or is_home(volume.name) or not volume.owner:
            sizes[owner] = max(sizes[owner], volume.size_mib)
    people = set(owners.values())
    return {
        owner: Use(
            owner,
            limit_mib(_allowed(context, owner in people), system_mib, sizes[owner]),
            tuple(with_system_disks(found, owner, system_mib, 1 + context.allowance.nodes)),
        )
        for owner, found in by_owner.items()
        if owner
    }


def _allowed(context: VolumeContext, is_person: bool) -> Allowance:
    """Return what may be taken: the lab's total is for trainees, not for the event's server."""
    return context.allowance if is_person else replace(context.allowance, total_mib=0)


async def most_volume_mib(context: VolumeContext) -> int:
    """Return how large a volume may be that no operator enlarged: as the lab's limit allows."""
    return largest_volume_mib(context.allowance, await _system_disk_mib(context))


async def check_size(context: VolumeContext, volume: Volume, size_mib: int) -> None:
    """Make sure that a volume's file is not larger than the volume was made, or may be.

    Raises:
        VolumeError: it is.
    """
    most_mib = max(volume.size_mib, await most_volume_mib(context))
    if size_mib > most_mib:
        grow = f"vmlab volume grow {volume.name} {size_mib}M"
        deleted = volume.state is VolumeState.QUARANTINED  # which cannot grow
        raise VolumeError(
            volume.name,
            f"its file says that it has {size_mib} MiB, but it was made with {volume.size_mib} "
            f"MiB, and this lab's volumes may have {most_mib} MiB at most",
            hint=f"if that is intended: {'raise [volume] total in lab.toml' if deleted else grow}",
            public=messages.DISK_FAILED,
        )


async def _system_disk_mib(context: VolumeContext) -> int:
    if not isinstance(context.machines, CountsDisk):
        return 0
    return await asyncio.to_thread(context.machines.system_disk_mib)


def _volume_parts(context: VolumeContext, volumes: Iterable[Volume]) -> list[DiskPart]:
    parts = []
    for volume in volumes:
        owner, path, name = owner_of(volume), context.path(volume), volume.name
        taken = taken_mib(path)
        if volume.state is VolumeState.QUARANTINED:
            parts.append(DiskPart(DiskKind.DELETED, owner, name, str(path), taken, taken))
            continue
        most = volume_most_mib(
            volume.size_mib, taken, has_snapshots=_has_snapshots(context, volume)
        )
        parts.append(DiskPart(DiskKind.VOLUME, owner, name, str(path), taken, most))
        copies = sum(taken_mib(copy) for copy in context.work.glob(f"*.{name}.*"))
        promised = context.copies.promised_mib(name)
        if copies or promised:
            work = str(context.work)
            parts.append(DiskPart(DiskKind.COPY, owner, name, work, copies, promised))
    return parts


def _has_snapshots(context: VolumeContext, volume: Volume) -> bool:
    try:
        header, _ = context.image(volume).read()
    except VolumeError:
        return False  # gone or damaged: no machine writes to it
    return header.snapshots > 0


async def remove_diagnostics(context: VolumeContext, use: Use, more_mib: int) -> Use:
    """Remove what is kept for diagnosis only, oldest first, until so much may be added.

    Returns:
        What is taken then, which may still be too much.
    """
    for part in use.made_anew():
        if use.spare_mib >= more_mib or not isinstance(context.machines, CountsDisk):
            break
        try:
            await context.machines.remove_part(part)
        except LabError as error:
            _log.warning("%s could not be removed: %s", part.path, error)
            continue
        use = use.without(part)
        _log.warning(
            "%s: removed (%s, %d MiB), since %s may take %d MiB of the disk in all",
            part.path, part.kind, part.taken_mib, use.owner, use.limit_mib,
        )  # fmt: skip
    return use


async def trim_made_anew(context: VolumeContext, owner: str, machine: str) -> None:
    """Remove what was put away of a trainee's machines, oldest first, until within the limit.

    Args:
        machine: counts for its owner by its name, should its record not say whose it is.

    Raises:
        HostError: the registry cannot be used.
    """
    uses = await find_uses(context)
    names = {part.name: use for use in uses.values() for part in use.parts}
    if use := uses.get(owner) or names.get(machine):
        await remove_diagnostics(context, use, 0)


def over_limit(volume: Volume, use: Use, what: str, more_mib: int) -> VolumeConflictError:
    """Return the error for what does not fit."""
    return VolumeConflictError(
        volume.name,
        f"no room for {what}: {use.owner} may take {use.limit_mib} MiB of the host's disk in all "
        f"and takes {use.taken_mib} MiB now; with it that could grow to "
        f"{use.most_mib + more_mib} MiB",
        hint="delete snapshots that were taken by hand, or raise [volume] total in lab.toml; "
        f"vmlab volume show {volume.name} lists what is there",
    )
