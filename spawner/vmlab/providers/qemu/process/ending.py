"""How a machine's process ends: power button, then forced off, then SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from vmlab.errors import GuestError, ProviderError
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.monitor import Monitor, open_monitor
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.users import find_machine_user, find_processes_of
from vmlab.providers.qemu.process import confine
from vmlab.system.files import move
from vmlab.system.locks import lock_holder
from vmlab.system.tools import run_tool
from vmlab_protocol.messages import HostMessageType

_ASK_LIMIT_S = 5.0
_QUIT_LIMIT_S = 5.0
_POLL_S = 0.05


async def end_process(machine: Machine, *, shutdown_limit_s: float) -> None:
    """Return when nothing of the machine runs; each step only if the one before did not do.

    Args:
        machine: to be ended.
        shutdown_limit_s: how long the guest may take to power down; 0 does not ask it.

    Raises:
        ProviderError: it does not even end by SIGKILL.
    """
    if machine.is_running():
        if shutdown_limit_s and await _ask_guest(machine):
            await _await_end(machine, shutdown_limit_s)
        if machine.is_running() and await _tell_qemu(machine, Monitor.end):
            await _await_end(machine, _QUIT_LIMIT_S)
    # What is left: the whole machine, or what an attacker who broke out of it left behind.
    user = await asyncio.to_thread(find_machine_user, machine)
    if user and user.drop:
        # All of that user at once: otherwise one that forks faster than it is found would escape.
        await run_tool("kill", "-KILL", "--", "-1", user=user)
    left = await asyncio.to_thread(_kill, machine)
    if left or not await _await_end(machine, _QUIT_LIMIT_S):
        pids = ", ".join(str(process.pid) for process in left)
        raise ProviderError(
            machine.name,
            f"it did not end, not even after SIGKILL ({machine.shim_lock}; "
            f"processes: {pids or '?'})",
            hint=f"see who holds the lock: fuser -v {machine.shim_lock}",
        )


def _kill(machine: Machine) -> list[psutil.Process]:
    """Kill the machine's processes; return those that are still there."""
    processes = find_processes(machine)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, _QUIT_LIMIT_S)
    return find_processes(machine) if processes else []


def note_end(machine: Machine) -> None:
    """Tell a start that may be under way, in whatever process, that the machine is to be off."""
    with contextlib.suppress(FileNotFoundError):  # there is no machine
        machine.ended.touch(mode=0o600)


async def end_machine(machine: Machine, *, shutdown_limit_s: float = 0.0) -> None:
    """Return when nothing of the machine is left but its files: no process, cgroup or socket.

    Raises:
        ProviderError: something does not go.
    """
    groups = await asyncio.to_thread(_find_cgroups, machine)
    await end_process(machine, shutdown_limit_s=shutdown_limit_s)
    try:
        await confine.remove_cgroups(groups)
    except (OSError, TimeoutError) as error:
        message = f"its cgroups {groups} do not go: {error}"
        raise ProviderError(machine.name, message) from error
    for socket in machine.sockets:
        socket.unlink(missing_ok=True)


async def remove_machine(machine: Machine, *, keep_as: Path | None = None) -> None:
    """End the machine and remove its folder, or keep it under another name; no-op without one.

    Raises:
        ProviderError: as `end_machine`.
    """
    if not machine.path.is_dir():
        return
    await end_machine(machine)
    if keep_as:
        await asyncio.to_thread(move, machine.path, keep_as)
    else:
        await asyncio.to_thread(shutil.rmtree, machine.path)


def _read_unit(machine: Machine) -> str:
    """Return what the machine's cgroup was called when it was made."""
    try:
        record = machine.record()
    except ProviderError:
        record = None  # damaged: a machine must end even so
    return record.unit if record and record.unit else machine.unit


async def _ask_guest(machine: Machine) -> bool:
    """Ask the agent and press the power button: either may be out of order; two do no harm."""
    asked = await _tell_qemu(machine, Monitor.power_down)
    try:
        async with asyncio.timeout(_ASK_LIMIT_S), AgentLink(await open_agent(machine)) as link:
            await link.send(HostMessageType.POWEROFF)
    except (GuestError, TimeoutError):
        return asked
    return True


async def _tell_qemu(machine: Machine, act: Callable[[Monitor], Awaitable[None]]) -> bool:
    """Have QEMU do something; return whether it took the request: if not, a harder step is next."""
    try:
        async with open_monitor(machine.name, machine.qmp) as monitor:
            await act(monitor)
    except ProviderError:
        return False
    return True


def find_processes(machine: Machine) -> list[psutil.Process]:
    """Return the machine's processes, recognized by what no other process can have.

    The kernel says who holds the lock and which are its children; and whatever runs as the
    machine's own user is the machine's. Names and open files of a process prove nothing.
    """
    user = find_machine_user(machine)
    found = {process.pid: process for process in _shim_and_below(machine)}
    if user is None:
        others = _in_cgroups(machine)
    else:
        others = find_processes_of(user.uid) if user.drop else []
    return list({**found, **{process.pid: process for process in others}}.values())


def _shim_and_below(machine: Machine) -> list[psutil.Process]:
    lock = str(machine.shim_lock)
    if (pid := lock_holder(lock)) is None:
        return []
    try:
        shim = psutil.Process(pid)
        found = [shim, *shim.children(recursive=True)]
    except psutil.Error:
        return []  # it has just ended
    return found if lock_holder(lock) == pid else []  # else its number may be somebody else's


def _in_cgroups(machine: Machine) -> list[psutil.Process]:
    """Return the processes of a machine that an older VMLab started, without a user of its own."""
    found = []
    for group in _find_cgroups(machine):
        with contextlib.suppress(OSError, psutil.Error):
            pids = (group / "cgroup.procs").read_text().split()
            found += [psutil.Process(int(pid)) for pid in pids]
    return found


def _find_cgroups(machine: Machine) -> tuple[Path, ...]:
    unit = _read_unit(machine)
    return confine.cgroup_folders(confine.detect_confinement(), unit)


async def _await_end(machine: Machine, limit_s: float) -> bool:
    """Return whether the machine's process ended within the limit."""
    deadline = time.monotonic() + limit_s
    while machine.is_running():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
