"""Who goes first when processors are short: machines that start, then those at work, then spares.

Without it a class that starts at once waits for those of it who are ready already: each of them
opens a notebook, and every machine has the same share. Twenty trainees, two emulating processors:
the last one had waited two minutes. Those at work must not keep the hub waiting either, which has
the share of any process: each start needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from enum import Enum
from pathlib import Path

from vmlab.providers.qemu.process.confine import CGROUPS, Confinement, detect_confinement
from vmlab.system.environment import tool_environment

_SYSTEMCTL_LIMIT_S = 10.0
_log = logging.getLogger(__name__)


class Priority(Enum):
    """A machine's share of the processors, times that of any other process of the host."""

    START = 1.0  # somebody waits for it
    WORK = 0.05
    SPARE = 0.01  # it is made ready ahead


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
        for path, value in weight_files(kind, unit, priority).items():
            path.write_text(value)
    except OSError as error:
        _log.debug("%s: its share of the processors stays as it is: %s", unit, error)


async def _set_scope(unit: str, priority: Priority) -> None:
    weight = f"CPUWeight={priority.value * 100:.0f}"
    process = await asyncio.create_subprocess_exec(
        "systemctl", "set-property", "--runtime", f"{unit}.scope", weight,
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
