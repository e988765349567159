"""What QEMU does to the volume of a machine that runs, its agent helping.

Contract: `vmlab.volumes.live.LiveVolumes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from vmlab.errors import LabError, MachineConflictError, MachineNotFoundError
from vmlab.model import MachineState
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.agent.volume import (
    frozen,
    grow_file_system,
    mount_snapshot,
    unmount_snapshot,
    working,
)
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import SNAPSHOT_DISK, Machine
from vmlab.providers.qemu.machine.status import machine_status
from vmlab.providers.qemu.machine.users import find_machine_user
from vmlab.system.files import move
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import scratch
from vmlab.volumes.locks import read_snapshots
from vmlab.volumes.model import ExportFormat
from vmlab.volumes.states import find_snapshot, list_snapshots
from vmlab.volumes.transfer import copy_snapshot

_log = logging.getLogger(__name__)


async def snapshot_volume(machine: Machine, snapshot: str) -> None:
    """Take a snapshot of the volume while its file systems are frozen."""
    async with _agent(machine, "a snapshot was taken") as link:
        try:
            async with frozen(link), open_monitor(machine.name, machine.qmp) as monitor:
                await monitor.take_snapshot(snapshot)
        except BaseException:
            await asyncio.shield(_delete_partial(machine, snapshot))
            raise


async def _delete_partial(machine: Machine, snapshot: str) -> None:
    """Leave no snapshot that may not be whole."""
    try:
        async with open_monitor(machine.name, machine.qmp) as monitor:
            await monitor.delete_snapshot(snapshot)
    except LabError as error:
        _log.debug("%s: no snapshot %s to delete: %s", machine.name, snapshot, error)


async def delete_snapshot(folder: Machine, snapshot: str) -> None:
    """Delete a snapshot of the volume."""
    _check_runs(folder)
    async with open_monitor(folder.path.name, folder.qmp) as monitor:
        await monitor.delete_snapshot(snapshot)


async def grow_volume(folder: Machine, size_mib: int) -> None:
    """Make the volume, and the file system on it, larger."""
    async with _agent(folder, "its volume was growing") as link:
        async with open_monitor(link.name, folder.qmp) as monitor:
            await monitor.grow_volume(size_mib)
        await grow_file_system(link)


async def show_snapshot(folder: Machine, context: VolumeContext, snapshot: str) -> None:
    """Mount a copy of a snapshot, read-only, in the machine."""
    await hide_snapshot(folder)
    name = folder.path.name
    held = await context.ask(lambda registry: registry.attached_to(name))
    if not held:
        raise MachineConflictError(name, "it has no volume")
    volume = held[0]
    found = find_snapshot(volume, await list_snapshots(context, volume), snapshot)
    with (
        read_snapshots(context.locks, volume.name) as lock,
        scratch(context.work, context.find_user(), f".{volume.name}.shown") as copy,
    ):
        image = context.image(volume, lock)
        await copy_snapshot(context, image, found, copy, ExportFormat.QCOW2)
        # A machine that a version before decision 12 started runs as the tools' user.
        (find_machine_user(folder) or context.find_user()).give(copy)
        # Volumes may be on a file system of their own.
        await asyncio.to_thread(move, copy, folder.snapshot)
    try:
        async with open_monitor(name, folder.qmp) as monitor:
            await monitor.plug_snapshot(SNAPSHOT_DISK)
        async with _agent(folder, "a snapshot was shown") as link:
            await mount_snapshot(link, snapshot)
    except BaseException:
        await asyncio.shield(_take_away(folder))
        raise


async def hide_snapshot(folder: Machine) -> None:
    """Take away what `show_snapshot` showed; no-op if nothing is."""
    _check_runs(folder)
    if not folder.snapshot.exists():
        return
    async with _agent(folder, "a snapshot was hidden") as link:
        await unmount_snapshot(link)
    async with open_monitor(folder.path.name, folder.qmp) as monitor:
        await monitor.unplug_snapshot()
    folder.snapshot.unlink(missing_ok=True)


async def _take_away(folder: Machine) -> None:
    try:
        await hide_snapshot(folder)
    except LabError as error:
        _log.warning("the snapshot that could not be shown stays plugged in: %s", error)


async def resume_paused(folder: Machine) -> bool:
    """Let a machine that was paused for want of room go on; tell whether it was paused.

    Also in the middle of its start, which would wait for it until its deadline.
    """
    _check_runs(folder, or_starts=True)
    async with open_monitor(folder.path.name, folder.qmp) as monitor:
        if not await monitor.is_out_of_room():
            return False
        await monitor.resume()
    return True


@contextlib.asynccontextmanager
async def _agent(folder: Machine, doing: str) -> AsyncGenerator[AgentLink]:
    """Speak with the agent of a machine that runs."""
    _check_runs(folder)
    async with working(await open_agent(folder), doing) as link:
        yield link


def _check_runs(folder: Machine, *, or_starts: bool = False) -> None:
    state = machine_status(folder).state
    if state is MachineState.ABSENT:
        raise MachineNotFoundError(folder.path.name, "there is no such machine")
    if state is not MachineState.RUNNING and not (or_starts and state.is_on):
        raise MachineConflictError(folder.path.name, f"it must run for this, and it is {state}")
