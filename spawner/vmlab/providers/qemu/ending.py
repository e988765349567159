"""How a machine's process ends: power button, then plug, then SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from vmlab.errors import GuestError, ProviderError
from vmlab.providers.qemu import confine
from vmlab.providers.qemu.agent import connect_agent
from vmlab.providers.qemu.launch import SHIM_MODULE
from vmlab.providers.qemu.layout import MachineFolder
from vmlab.providers.qemu.monitor import Monitor, open_monitor
from vmlab.providers.qemu.records import read_record
from vmlab.providers.qemu.shim import is_locked

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
    # Also a shim that was launched just now and holds no lock yet.
    processes = await asyncio.to_thread(find_processes, folder)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, processes, _QUIT_LIMIT_S)
    if not await _await_end(folder, _QUIT_LIMIT_S):
        raise ProviderError(
            folder.path.name,
            f"it does not end, not even by SIGKILL ({folder.shim_lock} is still locked)",
            hint="look for its process with: ps -ef | grep vmlab-",
        )


async def end_machine(folder: MachineFolder, *, shutdown_limit_s: float = 0.0) -> None:
    """Return when nothing of the machine is left but its files: no process, cgroup or socket.

    Raises:
        ProviderError: something does not go.
    """
    unit = await asyncio.to_thread(_read_unit, folder)
    await end_process(folder, shutdown_limit_s=shutdown_limit_s)
    nothing = confine.machine_limits(0, 0)
    plan = confine.plan_cgroups(confine.detect_confinement(), unit, nothing)
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
        folder.path.rename(keep_as)
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
            await link.send({"type": "poweroff"})
    except (GuestError, ConnectionError):
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
    """Return the machine's shim and QEMU: they work in its folder, whatever it was called before.

    Only by its command line a shim is known that has only just been launched.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            ours = str(folder.shim_config) in words or (
                is_machine_process(words) and process.cwd() == str(folder.path)
            )
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def is_machine_process(words: list[str]) -> bool:
    """Tell whether a process with this command line is a QEMU or a shim."""
    return "qemu-system-x86_64" in words or SHIM_MODULE in words


async def _await_end(folder: MachineFolder, limit_s: float) -> bool:
    """Return whether the machine's process ended within the limit."""
    deadline = time.monotonic() + limit_s
    while is_locked(str(folder.shim_lock)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
