"""Growing a volume. It never shrinks: the file system in it would have to go first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from vmlab.errors import ConfigError
from vmlab.model import Volume
from vmlab.system.disk_space import find_free_space, taken_mib
from vmlab.volumes.accounting import most_volume_mib
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.making_room import make_way
from vmlab.volumes.model import MAX_MIB
from vmlab.volumes.states import WAIT_S


async def grow(context: VolumeContext, name: str, size_mib: int) -> Volume:
    """Make a volume larger, its machine running or not; no-op if it has this size.

    Of a running machine the file system grows at once, else at its next start.

    Raises:
        ConfigError: the size is smaller than it is, or larger than the lab allows.
        HostError: all of it would not fit on the host's disk, or a tool failed.
        VolumeNotFoundError, VolumeConflictError, ProviderError: it cannot be grown now.
    """
    async with context.using(name, f"growing to {size_mib} MiB", wait_s=WAIT_S) as (volume, lock):
        image = context.image(volume, lock)
        header, _ = await asyncio.to_thread(image.read)
        now_mib = max(volume.size_mib, header.size_mib)
        if not now_mib <= size_mib <= MAX_MIB:
            raise ConfigError(
                f"{name}: it has {now_mib} MiB and cannot be given {size_mib} MiB",
                hint=f"a size from {now_mib} to {MAX_MIB} MiB: volumes grow, and never shrink",
            )
        if size_mib > now_mib:
            await _check_room(context, volume, lock, size_mib)
        holder = await context.living_holder(volume)
        live = context.live(name) if holder else None
        # Recorded first: a growth that is cut is finished by the next start, or by growing again.
        await context.ask(
            lambda registry: registry.change(name, size_mib=size_mib, needs_grow=True)
        )
        if live is None:
            if header.size_mib < size_mib:
                await image.grow(size_mib)
            return await context.find(name)
        await live.grow_volume(holder, size_mib)
        return await context.ask(lambda registry: registry.change(name, needs_grow=False))


async def _check_room(context: VolumeContext, volume: Volume, lock: int, size_mib: int) -> None:
    """Make sure that there is room for a larger volume, on the disk and for its owner."""
    what = f"growing {volume.name} to {size_mib} MiB"
    # Snapshots may hold more than the volume: only what it may still take counts.
    wanted_mib = max(0, size_mib - taken_mib(context.path(volume)))
    find_free_space(context.folder).require(wanted_mib, what)
    if context.allowance.total_mib and size_mib > (most_mib := await most_volume_mib(context)):
        raise ConfigError(
            f"{what}: a trainee of this lab may take {context.allowance.total_mib} MiB of the disk "
            f"in all, which leaves {most_mib} MiB beside the system disk",
            hint="raise [volume] total in lab.toml",
        )
    await make_way(context, replace(volume, size_mib=size_mib), lock, what)
