"""How a machine's process ends: power button, then plug, then SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from vmlab import messages
from vmlab.errors import GuestError, MachineConflictError, ProviderError
from vmlab.providers.qemu.channels.agent import connect_agent
from vmlab.providers.qemu.channels.monitor import Monitor, open_monitor
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.providers.qemu.machine.records import read_record
from vmlab.providers.qemu.machine.users import find_machine_user, find_processes_of
from vmlab.providers.qemu.process import confine
from vmlab.system.files import move
from vmlab.system.locks import is_locked, lock_holder
from vmlab.system.tools import run_tool
from vmlab_protocol.messages import HostMessageType

_QUIT_LIMIT_S = 5.0
_POLL_S = 0.05


async def end_process(folder: MachineFolder, *, shutdown_limit_s: float) -> None:
    """Return when nothing of the machine runs; each step only if the one before did not do.

    Args:
        folder: the machine's.
        shutdown_limit_s: how long the guest may take to power down; 0 does not ask it.

    Raises:
        ProviderError: it does not even end by SIGKILL.
    """
    if is_locked(str(folder.shim_lock)):
        if shutdown_limit_s and await _ask_guest(folder):
            await _await_end(folder, shutdown_limit_s)
        if is_locked(str(folder.shim_lock)) and await _tell_qemu(folder, Monitor.end):
            await _await_end(folder, _QUIT_LIMIT_S)
    # What is left: the whole machine, or what an attacker who broke out of it left behind.
    user = await asyncio.to_thread(find_machine_user, folder)
    if user and user.drop:
        # All of that user at once: otherwise one that forks faster than it is found would escape.
        await run_tool("kill", "-KILL", "--", "-1", user=user)
    left = await asyncio.to_thread(_kill, folder)
    if left or not await _await_end(folder, _QUIT_LIMIT_S):
        pids = ", ".join(str(process.pid) for process in left)
        raise ProviderError(
            folder.path.name,
            f"it did not end, not even after SIGKILL ({folder.shim_lock}; "
            f"processes: {pids or '?'})",
            hint=f"see who holds the lock: fuser -v {folder.shim_lock}",
        )


def _kill(folder: MachineFolder) -> list[psutil.Process]:
    """Kill the machine's processes; return those that are still there."""
    processes = find_processes(folder)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, _QUIT_LIMIT_S)
    return find_processes(folder) if processes else []


def note_end(folder: MachineFolder) -> None:
    """Tell a start that may be under way, in whatever process, that the machine is to be off."""
    with contextlib.suppress(FileNotFoundError):  # there is no machine
        folder.ended.touch(mode=0o600)


async def require_wanted(folder: MachineFolder) -> None:
    """Let a start go on unless somebody ended the machine since it began; then nothing runs.

    Raises:
        MachineConflictError: it was switched off or deleted.
        ProviderError: what the start has launched meanwhile does not end.
    """
    name = folder.path.name
    if not folder.path.is_dir():
        raise MachineConflictError(
            name, "it was deleted while it was starting", public=messages.WENT_OFF
        )
    if folder.ended.exists():
        await end_machine(folder)
        raise MachineConflictError(
            name,
            "it was switched off while it was starting",
            hint="start it again if that was a mistake",
            public=messages.WENT_OFF,
        )


async def end_machine(folder: MachineFolder, *, shutdown_limit_s: float = 0.0) -> None:
    """Return when nothing of the machine is left but its files: no process, cgroup or socket.

    Raises:
        ProviderError: something does not go.
    """
    plan = await asyncio.to_thread(_plan_cgroups, folder)
    await end_process(folder, shutdown_limit_s=shutdown_limit_s)
    try:
        await confine.remove_cgroups(plan)
    except (OSError, TimeoutError) as error:
        message = f"its cgroups {plan.folders} do not go: {error}"
        raise ProviderError(folder.path.name, message) from error
    for socket in folder.sockets:
        socket.unlink(missing_ok=True)


async def remove_machine(folder: MachineFolder, *, keep_as: Path | None = None) -> None:
    """End the machine and remove its folder, or keep it under another name; no-op without one.

    Raises:
        ProviderError: as `end_machine`.
    """
    if not folder.path.is_dir():
        return
    await end_machine(folder)
    if keep_as:
        await asyncio.to_thread(move, folder.path, keep_as)
    else:
        await asyncio.to_thread(shutil.rmtree, folder.path)


def _read_unit(folder: MachineFolder) -> str:
    """Return what the machine's cgroup was called when it was made."""
    try:
        record = read_record(folder)
    except ProviderError:
        record = None  # damaged: a machine must end even so
    return record.unit if record and record.unit else folder.unit


async def _ask_guest(folder: MachineFolder) -> bool:
    """Ask the agent and press the power button: either may be out of order; two do no harm."""
    asked = await _tell_qemu(folder, Monitor.power_down)
    try:
        async with connect_agent(folder.path.name, folder.agent) as link:
            await link.send(HostMessageType.POWEROFF)
    except GuestError:
        return asked
    return True


async def _tell_qemu(folder: MachineFolder, act: Callable[[Monitor], Awaitable[None]]) -> bool:
    """Have QEMU do something; return whether it took the request: if not, a harder step is next."""
    try:
        async with open_monitor(folder.path.name, folder.qmp) as monitor:
            await act(monitor)
    except ProviderError:
        return False
    return True


def find_processes(folder: MachineFolder) -> list[psutil.Process]:
    """Return the machine's processes, recognized by what no other process can have.

    The kernel says who holds the lock and which are its children; and whatever runs as the
    machine's own user is the machine's. Names and open files of a process prove nothing.
    """
    user = find_machine_user(folder)
    found = {process.pid: process for process in _shim_and_below(folder)}
    if user is None:
        others = _in_cgroups(folder)
    else:
        others = find_processes_of(user.uid) if user.drop else []
    return list({**found, **{process.pid: process for process in others}}.values())


def _shim_and_below(folder: MachineFolder) -> list[psutil.Process]:
    lock = str(folder.shim_lock)
    if (pid := lock_holder(lock)) is None:
        return []
    try:
        shim = psutil.Process(pid)
        found = [shim, *shim.children(recursive=True)]
    except psutil.Error:
        return []  # it has just ended
    return found if lock_holder(lock) == pid else []  # else its number may be somebody else's


def _in_cgroups(folder: MachineFolder) -> list[psutil.Process]:
    """Return the processes of a machine that an older VMLab started, without a user of its own."""
    found = []
    for group in _plan_cgroups(folder).folders:
        with contextlib.suppress(OSError, psutil.Error):
            pids = (group / "cgroup.procs").read_text().split()
            found += [psutil.Process(int(pid)) for pid in pids]
    return found


def _plan_cgroups(folder: MachineFolder) -> confine.CgroupPlan:
    nothing = confine.machine_limits(0, 0)
    return confine.plan_cgroups(confine.detect_confinement(), _read_unit(folder), nothing)


async def _await_end(folder: MachineFolder, limit_s: float) -> bool:
    """Return whether the machine's process ended within the limit."""
    deadline = time.monotonic() + limit_s
    while is_locked(str(folder.shim_lock)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
