"""Facts about this host: what `vmlab up` needs and `vmlab doctor` tells. Asks, changes nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from vmlab.errors import HostError
from vmlab.system.disk_space import find_free_space
from vmlab.system.environment import tool_environment

RESERVE_MIB = 768
"""Memory that stays with the host: hub and proxy grow by some 200 MiB with a class, and without
a few hundred MiB of file cache for image and template every machine waits for the disk."""

_MIB = 1024 * 1024
_OWN_PORTS = range(20_000, 32_768)  # ref: ip(7): ip_local_port_range begins there
_PORTS_TRIED = 100
_given_ports: dict[int, int] = {}  # to this process, with the descriptor that holds the name
_PROBE_LIMIT_S = 10


@dataclass(frozen=True)
class HostFacts:
    """What the host has."""

    cores: int
    memory_mib: int
    state_free_mib: int
    cache_free_mib: int
    state_reserve_mib: int = 0  # the host's own

    @property
    def state_spare_mib(self) -> int:
        """What machines and volumes may take."""
        return max(0, self.state_free_mib - self.state_reserve_mib)


def find_host_facts(state: Path, cache: Path) -> HostFacts:
    """Return what the host has now; the folders need not exist yet."""
    return HostFacts(
        cores=len(os.sched_getaffinity(0)),
        memory_mib=psutil.virtual_memory().total // _MIB,
        state_free_mib=free_mib(state),
        cache_free_mib=free_mib(cache),
        state_reserve_mib=find_free_space(state).reserve_mib,
    )


def free_mib(folder: Path) -> int:
    """Return the free space where this folder is, or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // _MIB


@dataclass(frozen=True)
class PortState:
    """Whether a hub could listen there. `problem` is empty when it could."""

    problem: str = ""
    pid: int | None = None  # who listens, when this user may know


def find_port_state(address: str, port: int) -> PortState:
    """Try to listen at this address and tell why it does not work."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                pid = find_listener(port)
                name = _process_name(pid)
                who = f"{name} (pid {pid})" if name else "another program"
                return PortState(f"port {port} on {address} is taken by {who}", pid)
            if e.errno == errno.EACCES:
                return PortState(f"port {port} may only be used by root")
            if e.errno == errno.EADDRNOTAVAIL:
                return PortState(f"{address} is not an address of this host")
            return PortState(f"port {port} on {address}: {e.strerror}")
    return PortState()


def find_free_port(*others: int) -> int:
    """Return a port of the loopback that nobody listens on, to each caller on this host another.

    It is below those that Linux hands out by itself, to a browser's connection for instance, so
    it is still free when the process that is to listen on it has started. Others who ask here are
    kept off by a name that this process holds until it ends (unix(7): an abstract socket).

    Args:
        others: ports that somebody will listen on, though nobody does yet.

    Raises:
        HostError: none was found.
    """
    for _ in range(_PORTS_TRIED):
        port = secrets.choice(_OWN_PORTS)  # no seed: two processes with one would meet every time
        if port in _given_ports or port in others:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports[port] = _hold(f"vmlab-port-{port}")
            return port
    raise HostError(
        f"no free port among {_PORTS_TRIED} of {_OWN_PORTS[0]} to {_OWN_PORTS[-1]}",
        hint="see `ss -lnt` for who listens on so many",
    )


def _hold(name: str) -> int:
    """Take a name on this host until this process ends; `OSError` when somebody has it.

    Returns:
        The descriptor that holds it.
    """
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0{name}")
    except OSError:
        holder.close()
        raise
    return holder.detach()


def find_listener(port: int) -> int | None:
    """Return the pid that listens on this TCP port, or None when this user may not know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port:
            return connection.pid
    return None


def find_userns_problem() -> str:
    """Return why a network namespace cannot be made here, or an empty string; by trying.

    Root needs none of the user namespace; everybody else does, and some distributions forbid it.
    """
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--net"]
    try:
        done = subprocess.run(
            [*words, "true"],
            capture_output=True,
            timeout=_PROBE_LIMIT_S,
            check=False,
            text=True,
            errors="replace",
            env=tool_environment(),
        )
    except FileNotFoundError:
        return "unshare is not installed (package util-linux)"
    except subprocess.TimeoutExpired:
        return f"`{' '.join(words)}` did not end within {_PROBE_LIMIT_S} s"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "unshare failed"
    return ""


def _process_name(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""


def cpu_pressure() -> float:
    """Return for how much of the last ten seconds somebody waited for a processor, in percent.

    0 where the kernel does not tell. ref: Linux, accounting/psi.rst
    """
    try:
        some = Path("/proc/pressure/cpu").read_text().splitlines()[0]
        return float(some.partition("avg10=")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return 0.0
