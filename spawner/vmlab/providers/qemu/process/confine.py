"""What a machine may take from the host.

A trainee is root in the machine; whoever breaks out of QEMU lands in an unprivileged user without
a shell, in a network namespace without a network (shim.py), under these limits.

When processors are short, machines that start go first, then those at work, then spares. Without it
a class that starts at once waits for those of it who are ready already: each of them opens a
notebook, and every machine has the same share. Twenty trainees, two emulating processors: the last
one had waited two minutes. Those at work must not keep the hub waiting either, which has the share
of any process: each start needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path

from vmlab.errors import HostError
from vmlab.hub.units import MACHINES_UNIT
from vmlab.system.environment import tool_environment

# What a machine may take on top of the guest's memory; measured (docs/performance.md, Memory).
TRANSLATION_BUFFER_MIB = 56
"""Translated guest code, when there is no KVM; QEMU's own default grows to 1 GiB. With more an idle
machine takes over 150 MiB, with less a start computes much longer."""
POOL_TRANSLATION_BUFFER_MIB = 128
"""Of a machine that is made ready ahead: a smaller one forgets what it was warmed for."""
_QEMU_MIB = 96  # its heap and page tables: 46 in a machine that had touched everything
_SHIM_MIB = 32  # a small Python: 17, more with many connections
_CACHE_MIB = 64  # files of its disks in the page cache count, too: less makes every read wait
_OVERHEAD_MIB = _QEMU_MIB + _SHIM_MIB + _CACHE_MIB

_IO_CPUS = 0.5
"""QEMU's own threads beside the virtual processors."""

# QEMU's disk workers are most of them (its own limit is 64), and it ends if it gets no thread. At
# rest a machine has less than ten, shim and slirp4netns included.
# ref: qemu-options, -object main-loop,thread-pool-max
_TASKS = 128

_EMPTY_LIMIT_S = 10.0
_POLL_S = 0.02
_SYSTEMCTL_LIMIT_S = 10.0

CGROUPS = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "memory", "pids")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Hard limits of one machine, QEMU included."""

    memory_mib: int  # none of it goes to the host's swap
    cpus: float
    tasks: int = _TASKS  # processes and threads


def machine_limits(
    memory_mib: int, cpus: int, translation_mib: int = TRANSLATION_BUFFER_MIB
) -> Limits:
    """Return the limits for a guest of this size."""
    total_mib = memory_mib + translation_mib + _OVERHEAD_MIB
    return Limits(memory_mib=total_mib, cpus=cpus + _IO_CPUS, tasks=_TASKS + cpus)


class Confinement(StrEnum):
    """How the limits are enforced on this host, best first."""

    SYSTEMD = "systemd"  # a transient scope a machine
    CGROUP2 = "cgroup2"
    CGROUP1 = "cgroup1"
    RLIMITS = "rlimits"  # memory as address space of the process; CPU share not limited


def detect_confinement(
    cgroups: Path = CGROUPS, systemd: Path = Path("/run/systemd/system")
) -> Confinement:
    """Return the best way to enforce limits that this process may use."""
    if systemd.is_dir() and os.geteuid() == 0:
        return Confinement.SYSTEMD
    if (cgroups / "cgroup.controllers").is_file():
        controllers = (cgroups / "cgroup.subtree_control").read_text().split()
        if set(_CONTROLLERS) <= set(controllers) and os.access(cgroups, os.W_OK):
            return Confinement.CGROUP2
    elif all(os.access(cgroups / kind, os.W_OK) for kind in _CONTROLLERS):
        return Confinement.CGROUP1
    return Confinement.RLIMITS


class Priority(Enum):
    """A machine's share of the processors, times that of any other process of the host."""

    START = 1.0  # somebody waits for it
    WORK = 0.05
    SPARE = 0.01  # it is made ready ahead


def make_scope_words(unit: str, limits: Limits, priority: Priority = Priority.START) -> list[str]:
    """Return the words before a command that put it into a systemd scope of its own."""
    # fmt: off
    return [
        "systemd-run", "--quiet", "--scope", "--collect", "--slice=vmlab.slice",
        f"--unit={unit}",
        "-p", f"MemoryMax={limits.memory_mib}M", "-p", "MemorySwapMax=0",
        "-p", f"CPUQuota={limits.cpus * 100:.0f}%",
        "-p", f"TasksMax={limits.tasks}", "-p", _scope_weight(priority),
        # When the host goes down, `vmlab down` comes first (vmlab.hub.units).
        "-p", f"Before={MACHINES_UNIT}",
    ]
    # fmt: on


def _scope_weight(priority: Priority) -> str:
    return f"CPUWeight={priority.value * 100:.0f}"


@dataclass(frozen=True)
class CgroupPlan:
    """Cgroups to make: files to write, in order, and the folders that the shim enters."""

    folders: tuple[Path, ...]
    settings: tuple[tuple[Path, str], ...]
    swap: tuple[tuple[Path, str], ...] = ()  # files that a kernel which counts no swap lacks
    weights: tuple[tuple[Path, str], ...] = ()  # a machine with the wrong share works


def cgroup_folders(kind: Confinement, unit: str, root: Path = CGROUPS) -> tuple[Path, ...]:
    """Return which cgroups a machine has."""
    if kind is Confinement.CGROUP2:
        return (root / unit,)
    if kind is Confinement.CGROUP1:
        cpu, memory, pids = (root / part / unit for part in _CONTROLLERS)
        return memory, cpu, pids
    return ()


def plan_cgroups(
    kind: Confinement,
    unit: str,
    limits: Limits,
    root: Path = CGROUPS,
    *,
    priority: Priority = Priority.START,
) -> CgroupPlan:
    """Return which cgroups enforce these limits; empty for the kinds that need none."""
    weights = tuple(weight_files(kind, unit, priority, root).items())
    period_us = 100_000
    quota_us = int(limits.cpus * period_us)
    memory_bytes = f"{limits.memory_mib * 2**20}"
    settings: tuple[tuple[Path, str], ...]
    folders = cgroup_folders(kind, unit, root)
    if kind is Confinement.CGROUP2:
        (folder,) = folders
        settings = (
            (folder / "memory.max", memory_bytes),
            (folder / "cpu.max", f"{quota_us} {period_us}"),
            (folder / "pids.max", f"{limits.tasks}"),
        )
        return CgroupPlan(folders, settings, ((folder / "memory.swap.max", "0"),), weights)
    if kind is Confinement.CGROUP1:
        memory, cpu, pids = folders
        settings = (
            (memory / "memory.limit_in_bytes", memory_bytes),
            (cpu / "cpu.cfs_period_us", f"{period_us}"),
            (cpu / "cpu.cfs_quota_us", f"{quota_us}"),
            (pids / "pids.max", f"{limits.tasks}"),
        )
        # Memory and swap together: no more than the memory, so no swap.
        swap = ((memory / "memory.memsw.limit_in_bytes", memory_bytes),)
        return CgroupPlan(folders, settings, swap, weights)
    return CgroupPlan((), ())


def weight_files(
    kind: Confinement, unit: str, priority: Priority, root: Path = CGROUPS
) -> dict[Path, str]:
    """Return what is to be written where; empty where cgroups are not ours to write. Pure.

    ref: Linux, admin-guide/cgroup-v2.rst, cpu.weight; scheduler/sched-design-CFS.rst, cpu.shares
    """
    if kind is Confinement.CGROUP2:
        return {root / unit / "cpu.weight": f"{priority.value * 100:.0f}"}
    if kind is Confinement.CGROUP1:
        return {root / "cpu" / unit / "cpu.shares": f"{priority.value * 1024:.0f}"}
    return {}


def make_cgroups(plan: CgroupPlan) -> None:
    """Make the cgroups; no-op where they are.

    Raises:
        HostError: the kernel refused.
    """
    try:
        for folder in plan.folders:
            folder.mkdir(exist_ok=True)
        for file, value in plan.settings:
            file.write_text(value)
        for file, value in plan.swap:
            if file.exists():
                file.write_text(value)
    except OSError as error:
        raise HostError(
            f"the machine's limits could not be set: {error}",
            hint="vmlab doctor tells how limits are enforced here",
        ) from error
    _write_weights(plan.weights)


async def remove_cgroups(folders: tuple[Path, ...]) -> None:
    """Remove a machine's cgroups; no-op where they are gone.

    Raises:
        HostError: something still lives in one of them.
    """
    async with asyncio.timeout(_EMPTY_LIMIT_S):
        for folder in folders:
            while folder.is_dir() and not _removed(folder):  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(_POLL_S)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError as error:
        # The kernel takes a moment to clear away a process that has ended.
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


async def set_priority(unit: str, priority: Priority) -> None:
    """Give a machine its share; no-op where shares cannot be given.

    Never fails: a machine with the wrong share works.

    Args:
        unit: of its scope or cgroup, as in its record.
    """
    kind = detect_confinement()
    try:
        if kind is Confinement.SYSTEMD:
            await _set_scope(unit, priority)
    except OSError as error:
        _log.debug("%s: its share of the processors stays as it is: %s", unit, error)
    _write_weights(tuple(weight_files(kind, unit, priority).items()))


def _write_weights(weights: tuple[tuple[Path, str], ...]) -> None:
    for path, value in weights:
        try:
            path.write_text(value)
        except OSError as error:
            _log.debug("%s: a share of the processors stays as it is: %s", path, error)


async def _set_scope(unit: str, priority: Priority) -> None:
    process = await asyncio.create_subprocess_exec(
        "systemctl", "set-property", "--runtime", f"{unit}.scope", _scope_weight(priority),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=tool_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SYSTEMCTL_LIMIT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
