"""Growing a volume. It never shrinks: the file system in it would have to go first."""

from __future__ import annotations

import asyncio

from vmlab.errors import ConfigError
from vmlab.room import find_room
from vmlab.volumes.ground import Ground
from vmlab.volumes.model import Volume
from vmlab.volumes.states import WAIT_S

MOST_MIB = 4096 * 1024
"""As `[volume] size` in lab.toml: 4 TiB."""

_BLOCK = 512


async def grow(ground: Ground, name: str, size_mib: int) -> Volume:
    """Make a volume larger, its machine running or not; no-op if it has this size.

    Of a running machine the file system grows at once, else at its next start.

    Raises:
        ConfigError: the size is smaller than it is, or larger than any.
        HostError: all of it would not fit on the host's disk, or a tool failed.
        VolumeNotFoundError, VolumeConflictError, ProviderError: it cannot be grown now.
    """
    async with ground.using(name, f"growing to {size_mib} MiB", wait_s=WAIT_S) as (volume, lock):
        image = ground.image(volume, lock)
        header, _ = await asyncio.to_thread(image.read)
        now_mib = max(volume.size_mib, header.size_mib)
        if not now_mib <= size_mib <= MOST_MIB:
            raise ConfigError(
                f"{name}: it has {now_mib} MiB and cannot be given {size_mib} MiB",
                hint=f"a size from {now_mib} to {MOST_MIB} MiB: volumes grow, and never shrink",
            )
        # Snapshots may hold more than the volume: only what it may still take counts.
        taken_mib = image.path.stat().st_blocks * _BLOCK // 2**20
        wanted_mib = max(0, size_mib - taken_mib) if size_mib > now_mib else 0
        find_room(ground.folder).require(wanted_mib, f"growing {name} to {size_mib} MiB")
        holder = await ground.living_holder(volume)
        live = ground.live(name) if holder else None
        # Recorded first: a growth that is cut is finished by the next start, or by growing again.
        await ground.ask(lambda registry: registry.change(name, size_mib=size_mib, needs_grow=True))
        if live is None:
            if header.size_mib < size_mib:
                await image.grow(size_mib)
            return await ground.find(name)
        await live.grow_volume(holder, size_mib)
        return await ground.ask(lambda registry: registry.change(name, needs_grow=False))
