"""How a machine's process ends: power button, then plug, then SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psutil

from vmlab.errors import GuestError, ProviderError
from vmlab.providers.qemu.agent import connect_agent
from vmlab.providers.qemu.argv import socket_option
from vmlab.providers.qemu.control import press_power_button, pull_plug
from vmlab.providers.qemu.layout import MachineFolder
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
        if is_locked(str(folder.shim_lock)) and await pull_plug(folder.qmp):
            await _await_end(folder, _QUIT_LIMIT_S)
    # Also a shim that was launched just now and holds no lock yet.
    processes = await asyncio.to_thread(_find_processes, folder)
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


async def _ask_guest(folder: MachineFolder) -> bool:
    """Ask the agent and press the power button: either may be out of order; two do no harm."""
    asked = await press_power_button(folder.qmp)
    try:
        async with connect_agent(folder.path.name, folder.agent) as link:
            await link.send({"type": "poweroff"})
    except (GuestError, ConnectionError):
        return asked
    return True


def _find_processes(folder: MachineFolder) -> list[psutil.Process]:
    """Return the machine's shim and QEMU, recognised by their command lines."""
    marks = {str(folder.shim_config), socket_option("qmp", folder.qmp)}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if marks & set(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


async def _await_end(folder: MachineFolder, limit_s: float) -> bool:
    """Return whether the machine's process ended within the limit."""
    deadline = time.monotonic() + limit_s
    while is_locked(str(folder.shim_lock)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
