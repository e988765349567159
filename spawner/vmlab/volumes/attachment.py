"""Making, attaching and detaching volumes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab.database.volumes import held_error
from vmlab.errors import VolumeConflictError
from vmlab.model import MachineSpec, Volume, VolumeSpec
from vmlab.system.disk_space import START_MIB, find_free_space
from vmlab.system.tools import ToolError
from vmlab.volumes.accounting import check_size
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import DiskImage, make_volume, missing_file, take_back
from vmlab.volumes.locks import hold_volume
from vmlab.volumes.repair import settle_name

ATTACH_LIMIT_S = 30.0
"""How long a start waits for an operation on its volume; a snapshot takes a second or two."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attached:
    """A volume that a machine was given."""

    volume: Volume
    path: Path
    is_new: bool


@contextlib.asynccontextmanager
async def attach(
    context: VolumeContext, spec: MachineSpec, wanted: VolumeSpec, *, runs: bool = False
) -> AsyncGenerator[Attached]:
    """Give a machine its volume, made first if needed; it stays attached afterwards.

    The body is the machine's start: nothing else is done with the volume meanwhile. A volume that
    the machine has already is taken over, so that a start can be cut anywhere and made again.

    Args:
        spec: the machine.
        wanted: its volume; one that exists keeps its own size.
        runs: the machine runs already, and has the file open.

    Raises:
        VolumeConflictError: another machine has it; names that one. Or something else is done with
            it, and takes long.
        VolumeError: its file is gone or damaged.
        HostError: the host's disk is full, or a tool failed.
    """
    name = wanted.name
    known = await context.ask(lambda registry: registry.find(name))
    if known and known.holder not in {"", spec.name}:
        raise held_error(known.name, known.holder)  # without waiting for that one's start
    async with hold_volume(
        context.locks, name, f"a start of {spec.name}", wait_s=ATTACH_LIMIT_S
    ) as lock:
        path = context.folder / f"{name}.qcow2"
        is_new = not runs and await _ensure_file(context, path, wanted)
        entry = Volume(name, spec.owner, spec.server, wanted.size_mib, context.clock())
        await context.ask(lambda registry: registry.add(entry))
        volume = await context.ask(
            lambda registry: registry.hold(name, spec.name, context.clock(), owner=spec.owner)
        )
        if not runs:
            image = context.image(volume, lock)
            if not is_new:
                await _tidy(image)
            volume = await settle_size(context, volume, image)
        yield Attached(volume, path, is_new)


async def _ensure_file(context: VolumeContext, path: Path, wanted: VolumeSpec) -> bool:
    """Make the volume unless it is there; return whether it was made."""
    if path.exists():
        return False
    await settle_name(context, wanted.name)
    if await context.knows(wanted.name):
        raise missing_file(wanted.name, path)
    find_free_space(context.folder).require(START_MIB, f"making the volume {wanted.name}")
    await make_volume(path, wanted.size_mib, context.find_user(), context.work)
    return True


async def _tidy(image: DiskImage) -> None:
    """Have the file hold no space that nothing uses, as after a snapshot on a full disk.

    What is worse than that is told and left: the machine itself refuses what it cannot work with,
    and a file that another machine has open.
    """
    try:
        await image.free_leaks()
    except VolumeConflictError as error:
        _log.debug("%s", error)
    except ToolError as error:
        _log.error("%s: %s", image.name, error)


async def detach(context: VolumeContext, machine: str) -> list[str]:
    """Take its volumes from a machine of which nothing runs; return their names. Idempotent.

    Raises:
        HostError: the registry cannot be used.
    """
    for volume in await context.ask(lambda registry: registry.attached_to(machine)):
        take_back(context.path(volume), context.find_user())
    return await context.ask(lambda registry: registry.release(machine))


async def settle_size(context: VolumeContext, volume: Volume, image: DiskImage) -> Volume:
    """Finish what was cut: a volume has the size that the registry says, or a larger one.

    Raises:
        VolumeError: its file is damaged, or larger than a volume may be.
        VolumeConflictError, HostError: it cannot be grown.
    """
    header, _ = await asyncio.to_thread(image.read)
    if header.size_mib < volume.size_mib:
        _log.info("%s: has %d MiB, is grown again", volume.name, header.size_mib)
        await image.grow(volume.size_mib)
        changes: dict[str, Any] = {"needs_grow": True}
    elif header.size_mib > volume.size_mib:
        await check_size(context, volume, header.size_mib)
        changes = {"needs_grow": True, "size_mib": header.size_mib}
    else:
        return volume
    return await context.ask(lambda registry: registry.change(volume.name, **changes))
