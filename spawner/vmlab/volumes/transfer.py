"""Exporting a volume: a copy of one of its states in a disk format of the reader's choice."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from vmlab.errors import HostError, LabError
from vmlab.system.disk_space import find_free_space, taken_mib
from vmlab.system.tools import ToolError, run_tool
from vmlab.volumes.allowance import full_mib
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import COPY_LIMIT_S, DiskImage, scratch, sync_file
from vmlab.volumes.locks import read_snapshots
from vmlab.volumes.making_room import make_way
from vmlab.volumes.model import ExportFormat, Snapshot
from vmlab.volumes.snapshots import take
from vmlab.volumes.states import WAIT_S, drop, find_snapshot, list_snapshots
from vmlab_protocol.snapshots import Reason

_CLEAN_UP_WAIT_S = 60.0
_log = logging.getLogger(__name__)


async def export(
    context: VolumeContext, name: str, target: Path, form: ExportFormat, snapshot: str = ""
) -> Snapshot:
    """Write a volume, or one of its snapshots, into a new file; return what was written.

    The machine may run and go on writing: what is copied is a snapshot, taken for this if none
    is named. The file appears when it is whole; it never replaces another one. It is for
    the operator: the trainee's disk limit does not apply.

    Raises:
        HostError: the file exists or cannot be written, or the host's disk is too full.
        VolumeNotFoundError, VolumeConflictError, ProviderError: as `take_snapshot`.
    """
    if os.path.lexists(target):
        raise _exists(target)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _unwritable(target, f"no folder to write to: {target.parent}")
    async with exported(context, name, form, snapshot, limited=False) as (path, source):
        try:
            await _move(path, target)
        except (OSError, ToolError) as error:
            raise _unwritable(target, error) from error
        return source


@contextlib.asynccontextmanager
async def exported(
    context: VolumeContext,
    name: str,
    form: ExportFormat,
    snapshot: str = "",
    *,
    limited: bool = True,
) -> AsyncGenerator[tuple[Path, Snapshot]]:
    """Give a file with a volume's content, for the body's time; raises as `export`.

    However long the block takes, it delays neither the volume nor other copies.

    Args:
        limited: refuse it where the owner may not take so much of the host's disk.
    """
    with contextlib.ExitStack() as kept:
        path = kept.enter_context(scratch(context.work, context.find_user(), f".{name}.{form}"))
        reading = _reading(context, name, snapshot, kept, limited=limited)
        async with reading as (image, source):
            await copy_snapshot(context, image, source, path, form)
        yield path, source


@contextlib.asynccontextmanager
async def _reading(
    context: VolumeContext, name: str, snapshot: str, kept: contextlib.ExitStack, *, limited: bool
) -> AsyncGenerator[tuple[DiskImage, Snapshot]]:
    """Give a snapshot that is not deleted meanwhile; of the volume as it is now if none is named.

    The volume itself is free for other operations: its snapshots do not change any more.

    Args:
        kept: keeps room for the copy, as long as that is there.

    Raises:
        VolumeNotFoundError, VolumeConflictError, ProviderError, HostError: as `take_snapshot`.
    """
    async with contextlib.AsyncExitStack() as stack:
        async with context.using(name, "a copy", wait_s=WAIT_S) as (volume, lock):
            mib = full_mib(min(volume.size_mib, taken_mib(context.path(volume))))
            kept.enter_context(context.copies.kept(name, find_free_space(context.work), mib))
            if snapshot:
                found = find_snapshot(volume, await list_snapshots(context, volume), snapshot)
                if limited:
                    await make_way(context, volume, lock, "a copy", sparing=snapshot)
            else:
                found = await take(context, volume, lock, Reason.BEFORE, limited=limited)
            lock_of_readers = stack.enter_context(read_snapshots(context.locks, name))
        try:
            yield context.image(volume, lock_of_readers), found
        finally:
            await stack.aclose()
            if not snapshot:
                await _drop_again(context, name, found)


def copy_mib(image: DiskImage, source: Snapshot) -> int:
    """Return what a copy of a snapshot takes at most: the file may hold other snapshots, too."""
    return min(source.size_mib, taken_mib(image.path))


async def copy_snapshot(
    context: VolumeContext, image: DiskImage, source: Snapshot, target: Path, form: ExportFormat
) -> None:
    """Copy a snapshot into an empty file of the tools' user.

    The turn is held while copying only: what comes before and after waits for machines.

    Raises:
        ToolError, HostError: it failed, or there is no room or no turn for it.
    """
    async with context.copies.making():
        find_free_space(target.parent).require(copy_mib(image, source), f"a copy of {image.name}")
        await run_tool(
            "qemu-img", "convert", "-q", "-U", "-l", f"snapshot.name={source.id}",
            image.source, "-O", form.value, str(target),
            limit_s=COPY_LIMIT_S, user=image.user, keep=image.lock,
        )  # fmt: skip


async def _drop_again(context: VolumeContext, name: str, snapshot: Snapshot) -> None:
    """Delete the snapshot that was taken for a copy; thinning does it where this cannot."""
    try:
        async with context.using(name, "deleting a snapshot", wait_s=_CLEAN_UP_WAIT_S) as (
            volume,
            lock,
        ):
            await drop(context, volume, lock, [snapshot])
    except LabError as error:
        _log.warning("%s: %s stays for a day: %s", name, snapshot.id, error.message)


async def _move(made: Path, target: Path) -> None:
    """Make the file ours and give it its name, which must be free."""
    os.chown(made, os.geteuid(), os.getegid())
    sync_file(made)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        try:
            os.link(made, partial)
        except OSError:  # another file system
            await run_tool(
                "cp", "--sparse=always", "--", str(made), str(partial), limit_s=COPY_LIMIT_S
            )
            sync_file(partial)
        try:
            os.link(partial, target)  # unlike a rename it replaces nothing
        except FileExistsError as error:
            raise _exists(target) from error
    finally:
        partial.unlink(missing_ok=True)


def _unwritable(target: Path, error: object) -> HostError:
    return HostError(
        f"{target} cannot be written: {error}",
        hint="check that its folder exists, is writable and has room",
    )


def _exists(target: Path) -> HostError:
    return HostError(f"{target} exists already", hint="choose another name, or remove that file")
