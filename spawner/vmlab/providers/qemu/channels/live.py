"""What is done to the volume of a machine that runs (contract: `base.LiveVolumes`).

The agent freezes the file systems, QEMU works on the disk, the agent thaws: the host never reads
what a trainee wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from vmlab.errors import (
    GuestError,
    LabError,
    MachineConflictError,
    MachineNotFoundError,
)
from vmlab.model import MachineState
from vmlab.providers.qemu.channels.activity import tell_time
from vmlab.providers.qemu.channels.agent import AgentLink, connect_agent
from vmlab.providers.qemu.channels.handover import ask_agent, await_agent
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import SNAPSHOT_DISK, Machine
from vmlab.providers.qemu.machine.status import machine_status
from vmlab.providers.qemu.machine.users import find_machine_user
from vmlab.system.background import apart
from vmlab.system.files import move
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import scratch
from vmlab.volumes.locks import read_snapshots
from vmlab.volumes.model import ExportFormat
from vmlab.volumes.states import find_snapshot, list_snapshots
from vmlab.volumes.transfer import copy_snapshot
from vmlab_protocol.messages import GuestMessage, HostMessageType
from vmlab_protocol.phases import Phase

FREEZE_LIMIT_S = 10
"""After so long the agent thaws by itself: a hub that dies must not leave a machine frozen."""

_ANSWER_LIMIT_S = 30.0
_FREEZE_ANSWER_LIMIT_S = 20.0  # it writes out what is in memory first
_GROW_LIMIT_S = 300.0
_MOUNT_LIMIT_S = 60.0
_log = logging.getLogger(__name__)


async def snapshot_volume(folder: Machine, snapshot: str) -> None:
    """Take a snapshot of the volume while its file systems are frozen."""
    async with _agent(folder, "a snapshot was taken") as link:
        try:
            freeze = HostMessageType.FREEZE
            await _ask(link, freeze, _FREEZE_ANSWER_LIMIT_S, limit_s=FREEZE_LIMIT_S)
            async with open_monitor(link.name, folder.qmp) as monitor:
                await monitor.take_snapshot(snapshot)
            thawed = await _ask(link, HostMessageType.THAW, _ANSWER_LIMIT_S)
            if not thawed.was_frozen:
                raise GuestError(
                    link.name,
                    f"its file systems did not stay frozen for the {FREEZE_LIMIT_S} s that a "
                    "snapshot may take",
                    hint="the host is very busy; try again",
                )
        except BaseException:
            await asyncio.shield(_undo(folder, link, snapshot))
            raise


async def _undo(folder: Machine, link: AgentLink, snapshot: str) -> None:
    """Leave neither a frozen file system nor a snapshot that may not be whole."""
    try:
        await link.send(HostMessageType.THAW)
    except GuestError as error:
        _log.debug("%s", error)  # it thaws by itself
    try:
        async with open_monitor(link.name, folder.qmp) as monitor:
            await monitor.delete_snapshot(snapshot)
    except LabError as error:
        _log.debug("%s: no snapshot %s to delete: %s", link.name, snapshot, error)


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


async def grow_file_system(link: AgentLink) -> None:
    """Have the agent make the file system as large as its disk."""
    await _ask(link, HostMessageType.GROW, _GROW_LIMIT_S)


async def show_snapshot(folder: Machine, context: VolumeContext, snapshot: str) -> None:
    """Mount a copy of a snapshot, read-only, in the machine."""
    await hide_snapshot(folder)
    name = folder.path.name
    held = await context.ask(lambda registry: registry.held_by(name))
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
            await _ask(link, HostMessageType.SHOW, _MOUNT_LIMIT_S, id=snapshot)
    except BaseException:
        await asyncio.shield(_take_away(folder))
        raise


async def hide_snapshot(folder: Machine) -> None:
    """Take away what `show_snapshot` showed; no-op if nothing is."""
    _check_runs(folder)
    if not folder.snapshot.exists():
        return
    async with _agent(folder, "a snapshot was hidden") as link:
        await _ask(link, HostMessageType.HIDE, _MOUNT_LIMIT_S)
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
    if machine_status(folder).state is MachineState.RUNNING:  # else the seed sets its clock
        # Where the agent is busy with somebody else, it sees by itself that it stood still.
        with apart(f"{folder.path.name}: it was paused, and was not told what time it is"):
            await tell_time(folder)
    return True


@contextlib.asynccontextmanager
async def _agent(folder: Machine, doing: str) -> AsyncGenerator[AgentLink]:
    """Connect to the agent of a machine that runs, and make sure that it answers."""
    _check_runs(folder)
    async with connect_agent(folder.path.name, folder.agent, doing) as link:
        # What an earlier conversation left unread comes before the answer to this.
        await await_agent(link, _ANSWER_LIMIT_S, Phase.VOLUME)
        yield link


async def _ask(
    link: AgentLink, request: HostMessageType, wait_s: float, **details: object
) -> GuestMessage:
    return await ask_agent(link, request, wait_s, Phase.VOLUME, **details)


def _check_runs(folder: Machine, *, or_starts: bool = False) -> None:
    state = machine_status(folder).state
    if state is MachineState.ABSENT:
        raise MachineNotFoundError(folder.path.name, "there is no such machine")
    if state is not MachineState.RUNNING and not (or_starts and state.is_on):
        raise MachineConflictError(folder.path.name, f"it must run for this, and it is {state}")
