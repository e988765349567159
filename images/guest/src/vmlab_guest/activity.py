"""Whether somebody works in this machine: kernels, commands in terminals, SSH, processor time.

A browser tab that only polls does not count. Measured when the host asks, once a minute, so that
an idle machine stays idle. `decide` is pure; `look` reads /proc.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vmlab_guest.system import System, inside
from vmlab_protocol.machine import TRAINEE_UID

KEEP = "/run/vmlab-server/keep"
"""Touched when the trainee asks to keep the lab."""

_TICKS_S = os.sysconf("SC_CLK_TCK")
_BUSY = 0.05  # of one processor, for all that is the trainee's
_SERVERS = ("jupyterhub-sing", "vmlab-kernels")  # their own work is caused by an open browser tab
_SSH = ("sshd-session", "sshd")


@dataclass(frozen=True)
class Process:
    """One process of the trainee's, or one that sits at a terminal."""

    name: str
    uid: int
    cpu_s: float
    group: int
    session: int
    terminal: int  # device number; 0 for none
    foreground: int  # the process group that the terminal listens to


@dataclass(frozen=True)
class Look:
    """What was seen at one moment."""

    at_s: float  # on a clock that nobody sets
    processes: Mapping[tuple[int, int], Process] = field(default_factory=dict)  # by pid and start
    typed_ago_s: float = float("inf")  # since somebody typed into any terminal
    kept_ago_s: float = float("inf")  # since the trainee asked to keep the lab
    busy_kernels: int = 0


def decide(before: Look, now: Look) -> list[str]:
    """Return what is going on, in a word each; empty when nobody works."""
    since_s = max(now.at_s - before.at_s, 1.0)
    reasons = []
    if now.busy_kernels:
        reasons.append("kernel")
    if any(_is_command(p) for p in now.processes.values()) or now.typed_ago_s < since_s:
        reasons.append("terminal")
    if any(p.name in _SSH and p.uid == TRAINEE_UID for p in now.processes.values()):
        reasons.append("ssh")
    if _cpu_s(before, now) / since_s >= _BUSY:
        reasons.append("processor")
    if now.kept_ago_s < since_s:
        reasons.append("kept")
    return reasons


def _is_command(process: Process) -> bool:
    """Tell whether it runs in front of a terminal and is not the shell that waits there."""
    in_front = process.terminal and process.foreground == process.group
    return bool(in_front and process.group != process.session)


def _cpu_s(before: Look, now: Look) -> float:
    return sum(
        process.cpu_s - (before.processes[key].cpu_s if key in before.processes else 0.0)
        for key, process in now.processes.items()
        if process.uid == TRAINEE_UID and process.name not in _SERVERS
    )


class Activity:
    """For how long nobody has worked in this machine; counted from the seed.

    Args:
        now_s: a clock that nobody sets.
    """

    def __init__(self, now_s: float) -> None:
        self._before = Look(now_s)
        self._last_s = now_s

    def note(self, now: Look) -> tuple[float, list[str]]:
        """Take in a look; return seconds since the last work, and what is going on now."""
        reasons = decide(self._before, now)
        if reasons:
            ago_s = 0.0
            if reasons == ["terminal"] and not any(map(_is_command, now.processes.values())):
                ago_s = now.typed_ago_s
            self._last_s = max(self._last_s, now.at_s - ago_s)
        self._before = now
        return max(0.0, now.at_s - self._last_s), reasons


def look(system: System, busy_kernels: int) -> Look:
    """Return what is to be seen now."""
    return Look(
        at_s=system.monotonic_ns() / 1e9,
        processes=_read_processes(inside(system, "/proc")),
        typed_ago_s=_since_read(system, list(_terminals(inside(system, "/dev/pts")))),
        kept_ago_s=_since_written(system, inside(system, KEEP)),
        busy_kernels=busy_kernels,
    )


def _terminals(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []


def _since_read(system: System, paths: list[Path]) -> float:
    """Return since when nothing was typed: a terminal is read when there is input (as w(1))."""
    times = []
    for path in paths:
        with suppress(OSError):  # closed meanwhile
            times.append(path.stat().st_atime)
    return max(0.0, system.clock_ns() / 1e9 - max(times)) if times else float("inf")


def _since_written(system: System, path: Path) -> float:
    try:
        return max(0.0, system.clock_ns() / 1e9 - path.stat().st_mtime)
    except OSError:
        return float("inf")


def _read_processes(folder: Path) -> dict[tuple[int, int], Process]:
    found = {}
    for path in folder.iterdir():
        if not path.name.isdecimal():
            continue
        try:
            uid = path.stat().st_uid
            text = (path / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has just ended
        start, process = parse_stat(text, uid)
        if uid == TRAINEE_UID or process.terminal:
            found[int(path.name), start] = process
    return found


def parse_stat(text: str, uid: int) -> tuple[int, Process]:
    """Return start time and facts of a line of /proc/PID/stat.

    ref: proc_pid_stat(5)
    """
    head, _, tail = text.rpartition(")")
    words = tail.split()
    group, session, terminal, foreground = (int(word) for word in words[2:6])
    cpu_s = (int(words[11]) + int(words[12])) / _TICKS_S
    name = head.partition("(")[2]
    return int(words[19]), Process(name, uid, cpu_s, group, session, terminal, foreground)
