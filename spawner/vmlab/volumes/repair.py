"""Making registry and files agree: after a crash, and for files of an older VMLab.

An operation moves the file first and changes the registry's entry afterwards, so a file is always
somewhere with a name that says what it is, and the entry follows here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path

import psutil

from vmlab.errors import VolumeConflictError, VolumeError
from vmlab.model import Volume
from vmlab.system.background import apart
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import DiskImage
from vmlab.volumes.locks import hold_volume
from vmlab.volumes.model import (
    MAX_MIB,
    QUARANTINE_DAYS,
    is_volume_name,
    own_name,
    parse_quarantine_name,
)

_PID_DIGITS = 7  # proc(5): at most 2^22
_log = logging.getLogger(__name__)


async def settle(context: VolumeContext) -> None:
    """Settle every volume of which file and entry do not agree, unless it is being worked on.

    One that cannot be settled is logged.

    Raises:
        HostError: the registry cannot be used.
    """
    await asyncio.to_thread(_tidy, context.work)
    entries = {volume.name for volume in await context.ask(lambda registry: registry.all())}
    files = {path.stem for path in await asyncio.to_thread(_find_files, context)}
    for name in sorted({own_name(name) for name in entries ^ files}):
        with (
            apart(f"{name}: file and registry do not agree"),
            contextlib.suppress(VolumeConflictError),
        ):
            async with hold_volume(context.locks, name, "a look at what a crash left"):
                await settle_name(context, name)


async def settle_name(context: VolumeContext, name: str) -> None:
    """Settle one volume and its deleted forerunners; the caller holds its lock.

    Raises:
        HostError: the registry cannot be used.
    """
    entries = {
        volume.name: volume
        for volume in await context.ask(lambda registry: registry.all())
        if own_name(volume.name) == name
    }
    files = {
        path.stem: path
        for path in await asyncio.to_thread(_find_files, context)
        if own_name(path.stem) == name
    }
    for new in sorted(set(files) - set(entries), reverse=True):
        # Deleting or bringing back was cut after the file had moved: the entry follows.
        gone = sorted(set(entries) - set(files), reverse=True)
        old = next((other for other in gone if (other == name) != (new == name)), None)
        entry = _as_named(entries.pop(old) if old else Volume(new), new)
        if old:
            await context.ask(lambda registry, old=old: registry.remove(old))  # type: ignore[misc]
        await _take_in(context, entry, files[new])


def _as_named(entry: Volume, name: str) -> Volume:
    parsed = parse_quarantine_name(name)
    at = parsed[1] if parsed else None
    purge_after = at + QUARANTINE_DAYS * 86400 if at is not None else None
    return replace(
        entry, name=name, holder="", held_since=0.0, quarantined_at=at, purge_after=purge_after
    )


async def _take_in(context: VolumeContext, volume: Volume, path: Path) -> None:
    image = DiskImage(volume.name, path, context.find_user())
    try:
        header, _ = await asyncio.to_thread(image.read)
    except VolumeError as error:
        _log.warning("%s: not taken into the registry: %s", path, error)
        return
    if header.size_mib > MAX_MIB:
        _log.warning("%s: not taken into the registry: it has %d MiB", path, header.size_mib)
        return
    volume = replace(
        volume,
        size_mib=volume.size_mib or header.size_mib,
        created=volume.created or path.stat().st_mtime,
    )
    await context.ask(lambda registry: registry.add(volume))
    _log.info("%s: taken into the registry as %s", path, volume.state)


def _tidy(work: Path) -> None:
    """Remove the files of processes that were killed while they made them."""
    for path in work.iterdir() if work.is_dir() else ():
        with apart(f"{path}: not removed"):
            if not _is_at_work(path.name.partition("-")[0]):
                path.unlink(missing_ok=True)
                _log.info("%s: removed; whoever made it was killed", path)


def _is_at_work(pid: str) -> bool:
    return pid.isdecimal() and len(pid) <= _PID_DIGITS and psutil.pid_exists(int(pid))


def _find_files(context: VolumeContext) -> list[Path]:
    """Return all files that are volumes by their names."""
    return [
        path
        for folder in (context.folder, context.quarantine)
        if folder.is_dir()
        for path in sorted(folder.glob("*.qcow2"))
        if is_volume_name(own_name(path.stem))
        and (folder == context.quarantine) == (parse_quarantine_name(path.stem) is not None)
    ]
