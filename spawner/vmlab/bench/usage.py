"""Processor time, memory and disk of one machine, from its processes and files. Linux only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 2**20
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system (inode(7))

CpuTimes = Mapping[tuple[int, float], float]
"""Processor seconds of each process, by pid and start time: pids are used again."""


@dataclass(frozen=True)
class CpuUse:
    """Processor seconds of a machine's processes."""

    before_s: float  # until an earlier look at all processes
    since_s: float


@dataclass(frozen=True)
class MemoryUse:
    """Memory of a machine's processes."""

    pss_mib: float = 0.0  # a page that several share counts in parts
    private_mib: float = 0.0  # what nobody else has


def read_cpu_times() -> CpuTimes:
    """Return the processor time of every process of this host."""
    times = {}
    for process in psutil.process_iter():
        try:
            times[process.pid, process.create_time()] = _cpu_s(process)
        except psutil.Error:
            continue  # it has just ended
    return times


def find_processes(lock: Path) -> list[psutil.Process]:
    """Return the processes that hold a file open, and all below them.

    A machine's shim holds its lock as long as it lives, under whatever name it was started.
    """
    target = os.fspath(lock)
    found = {}
    for process in psutil.process_iter():
        if _has_open(process.pid, target):
            found.update({each.pid: each for each in tree(process.pid)})
    return list(found.values())


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all below it; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_use(processes: Iterable[psutil.Process], earlier: CpuTimes) -> CpuUse:
    """Return the processor time of these processes before and since an earlier look."""
    before_s = since_s = 0.0
    for process in processes:
        try:
            key, now_s = (process.pid, process.create_time()), _cpu_s(process)
        except psutil.Error:
            continue
        before_s += earlier.get(key, 0.0)
        since_s += now_s - earlier.get(key, 0.0)
    return CpuUse(before_s, since_s)


def memory_use(processes: Iterable[psutil.Process]) -> MemoryUse:
    """Return the memory of these processes."""
    total = MemoryUse()
    for process in processes:
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        use = parse_rollup(text)
        total = MemoryUse(total.pss_mib + use.pss_mib, total.private_mib + use.private_mib)
    return total


def parse_rollup(text: str) -> MemoryUse:
    """Return what /proc/PID/smaps_rollup says."""
    kib = {
        words[0]: int(words[1])
        for words in map(str.split, text.splitlines())
        if len(words) == 3 and words[2] == "kB"
    }
    private = kib.get("Private_Clean:", 0) + kib.get("Private_Dirty:", 0)
    return MemoryUse(kib.get("Pss:", 0) / 1024, private / 1024)


def disk_mib(paths: Iterable[Path]) -> float:
    """Return the disk space of these files and folders; holes take none."""
    total = 0
    for path in paths:
        for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
            try:
                status = each.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                total += status.st_blocks * _BLOCK_BYTES
    return total / _MIB


def find_stragglers(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder or name it in their command."""
    prefix, own = os.fspath(folder), os.getpid()
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if process.pid != own and any(prefix in word for word in words):
            found.append(process)
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _has_open(pid: int, target: str) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_link(entry.path) == target for entry in entries)
    except OSError:
        return False  # ended, or somebody else's


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - no Path for each descriptor of the host
    except OSError:
        return ""
