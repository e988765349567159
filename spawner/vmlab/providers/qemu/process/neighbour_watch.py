"""Running machines are told what is near the host when that changes: addresses come and go.

A machine is told at its power-on (launch.py); the hub looks again every minute (keeping.py), for
those that run and those of the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path

from vmlab.errors import HostError
from vmlab.network.uplink import UPLINK
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.neighbours import find_unreachable
from vmlab.system.background import apart
from vmlab.system.environment import tool_environment
from vmlab.system.locks import lock_holder

PERIOD_S = 60.0


class NeighbourWatch:
    """Tells the machines of some folders.

    Args:
        homes: folders of machines' folders.
    """

    def __init__(self, *homes: Path) -> None:
        self._homes = homes
        self._told: list[list[str]] = []  # in the last two looks

    async def look(self) -> list[int]:
        """Look once; return the processes whose machines were told.

        Twice after each change: a machine that is being powered on was not there the first time.

        One that was not told is told of in the log, and told with all others at the next look.

        Raises:
            HostError: it cannot be found out what is near.
        """
        networks = await find_unreachable()
        if self._told == [networks, networks]:
            return []
        told = []
        found = await asyncio.to_thread(find_connected, self._homes)
        for pid in found:
            with apart(f"process {pid}: not told what is near the host"):
                await tell(pid, networks)
                told.append(pid)
        self._told = [*self._told[-1:], networks] if told == found else []
        return told


def find_connected(homes: Sequence[Path]) -> list[int]:
    """Return a process of each machine with internet in these folders.

    No other process is looked at: whose it is, its owner could say what they like, and have whoever
    reads that (/proc/PID/cmdline is its own memory) wait for ever.
    """
    found = []
    for path in sorted(path for home in homes if home.is_dir() for path in home.iterdir()):
        with apart(f"{path.name}: nobody knows whether it has internet"):
            found += [pid for pid in _find_pids(Machine(path)) if _has_uplink(pid)][:1]
    return found


def _find_pids(machine: Machine) -> list[int]:
    if not machine.path.is_dir():
        return []
    shim = lock_holder(str(machine.shim_lock))
    return [shim] if shim else [process.pid for process in find_processes(machine)]


def _has_uplink(pid: int) -> bool:
    try:
        return f"{UPLINK}:" in Path(f"/proc/{pid}/net/dev").read_text()
    except OSError:
        return False  # it has just ended


async def tell(pid: int, networks: Sequence[str]) -> None:
    """Make these networks unreachable in a process's own network; no-op when it has ended.

    Raises:
        HostError: that was refused.
    """
    with contextlib.ExitStack() as stack:
        try:
            spaces = {kind: stack.enter_context(_opened(pid, kind)) for kind in _kinds()}
        except (FileNotFoundError, ProcessLookupError):
            return
        if os.path.samestat(os.fstat(spaces["net"]), Path("/proc/self/ns/net").stat()):
            return  # by now the number is another process's, and that network is the host's
        options = [f"--{kind}=/proc/self/fd/{number}" for kind, number in spaces.items()]
        options += ["--preserve-credentials"] if "user" in spaces else []
        process = await asyncio.create_subprocess_exec(
            "nsenter", *options, "--", "ip", "-batch", "-",
            env=tool_environment(), pass_fds=tuple(spaces.values()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        lines = "".join(f"route replace unreachable {network}\n" for network in networks)
        _, errors = await process.communicate(lines.encode())
    if process.returncode != 0:
        reason = errors.decode(errors="replace").strip()[-300:]
        raise HostError(
            f"the machine of process {pid} was not told which networks are near this host: {reason}"
        )


def _kinds() -> tuple[str, ...]:
    """Return which namespaces a machine has of its own that must be entered."""
    return ("net",) if os.geteuid() == 0 else ("user", "net")


@contextlib.contextmanager
def _opened(pid: int, kind: str) -> Generator[int]:
    with Path(f"/proc/{pid}/ns/{kind}").open() as space:
        yield space.fileno()
