"""Launches a machine and runs its guest: the shim, detached from the hub, then cards and volume."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vmlab
import vmlab_protocol
from vmlab import messages
from vmlab.errors import ProviderError
from vmlab.providers.qemu.channels.hotplug import Belongings
from vmlab.providers.qemu.channels.monitor import (
    INNER_SERVER_PORT,
    INNER_SSH_PORT,
    as_conflict,
    open_monitor,
)
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.process.accelerator import Accelerator
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.argv import AGENT_FD, EVENTS_FD, QMP_FD
from vmlab.providers.qemu.process.confine import (
    Confinement,
    Priority,
    make_cgroups,
    set_priority,
)
from vmlab.providers.qemu.process.neighbours import find_unreachable
from vmlab.providers.qemu.process.plan import LaunchPlan
from vmlab.providers.qemu.process.shim import ShimConfig
from vmlab.system.environment import tool_environment
from vmlab.system.worker import WorkerUser

HUB_PORT = 8081
PROXY_PORT = 8000
"""Where a machine finds hub and proxy, at the gateway's address 10.0.2.2."""

SHIM_MODULE = "vmlab.providers.qemu.process.shim"

SHIM_PYTHONPATH = os.pathsep.join(
    dict.fromkeys(str(Path(package.__path__[0]).parent) for package in (vmlab, vmlab_protocol))
)
"""Of the shim, which is started without `site`: in a checkout, the folders are two."""
POOL = "pool"
"""In a machine's record: it came from the pool."""

_LAUNCH_LIMIT_S = 30.0


async def power_on(
    plan: LaunchPlan, record: Record, user: WorkerUser, memory: Memory, own: Belongings
) -> Record:
    """Start the machine's process, plug in cards and volume, and run the guest.

    Raises:
        HostError, MachineConflictError, ProviderError: as `launch`; also when QEMU does not take
            the template, the volume or a card.
    """
    machine = plan.machine
    record = await launch(plan, record, user, memory)
    async with open_monitor(machine.name, machine.qmp) as monitor:
        if plan.devices:
            await monitor.load_devices(plan.devices)
        await monitor.plug_in(own, option_rom=plan.option_rom)
        await monitor.resume()
    return machine.write(record, stage=Stage.LIVE, style=plan.style.value)


async def wake(machine: Machine, record: Record, own: Belongings) -> Record:
    """Make a halted machine of the pool a trainee's: plug in cards and volume, run the guest.

    Raises:
        MachineConflictError: the volume is attached elsewhere.
        ProviderError: QEMU does not take it.
    """
    await set_priority(record.unit, Priority.START)
    async with open_monitor(machine.name, machine.qmp) as monitor:
        await monitor.plug_in(own)
        await monitor.resume()
    return machine.write(record, stage=Stage.LIVE, style=POOL)


async def launch(plan: LaunchPlan, record: Record, user: WorkerUser, memory: Memory) -> Record:
    """Start the machine's process; QEMU then waits with a halted guest.

    Args:
        user: as which it runs.
        memory: which promises it what it may take.

    Raises:
        HostError: the host has no memory for it, or its limits cannot be set.
        MachineConflictError: its root disk is in use.
        ProviderError: QEMU ended; carries its message.
    """
    machine = plan.machine
    unreachable = await find_unreachable() if plan.internet else None
    config = make_shim_config(plan, user, unreachable)
    machine.exit_report.unlink(missing_ok=True)  # the last run's
    try:
        async with memory.reserve(machine.path, plan.limits.memory_mib):
            # Recorded before it happens: whatever comes next, `stop` knows that something may run,
            # and by which name to look for its cgroups.
            record = machine.write(
                record, stage=Stage.POWERED, powered_at=time.time(), unit=machine.unit
            )
            await asyncio.to_thread(make_cgroups, plan.cgroups)
            await launch_shim(plan, config)
    except ProviderError as error:
        raise as_conflict(machine.name, error) from error
    return record


def make_shim_config(
    plan: LaunchPlan, user: WorkerUser, unreachable: Sequence[str] | None = None
) -> ShimConfig:
    """Return what the shim is to run.

    Args:
        unreachable: networks that stay out of reach of the machine's internet; None: it has none.
    """
    machine, qemu, limits = plan.machine, plan.qemu, plan.limits
    alone = plan.confinement is Confinement.RLIMITS
    lent = qemu.memory_file if qemu.is_clone and user.drop else None
    return ShimConfig(
        argv=list(plan.argv),
        uid=user.uid,
        gid=user.gid,
        drop=user.drop,
        groups=_device_groups(qemu.accelerator),
        cgroup_procs=[str(group / "cgroup.procs") for group in plan.cgroups.folders],
        # Address space is far more than memory: code, stacks and mappings of files count too.
        address_space=(limits.memory_mib + 2048) * 2**20 if alone else None,
        # Linux counts them per user and user namespace, and each machine has its own of both.
        tasks=limits.tasks if alone else None,
        inward={
            machine.server.name: INNER_SERVER_PORT,
            machine.ssh.name: INNER_SSH_PORT,
        },
        outward={
            str(HUB_PORT): str(plan.listeners / "hub.sock"),
            str(PROXY_PORT): str(plan.listeners / "proxy.sock"),
        },
        bytes_per_s=plan.bytes_per_s,
        internet=unreachable is not None,
        unreachable=list(unreachable or ()),
        allowed=list(plan.allowed) if unreachable is not None else [],
        console=machine.console.name,
        exit_report=machine.exit_report.name,
        events=EVENTS_FD,
        sockets={machine.qmp.name: QMP_FD, machine.agent.name: AGENT_FD},
        memory=str(lent.path) if lent else "",
    )


def _device_groups(accelerator: Accelerator) -> list[int]:
    if accelerator is not Accelerator.KVM:
        return []
    try:
        return [grp.getgrnam("kvm").gr_gid]
    except KeyError:
        return [os.stat("/dev/kvm").st_gid]  # noqa: PTH116 - a device, not a path of ours


async def launch_shim(plan: LaunchPlan, config: ShimConfig) -> None:
    """Start the machine's process; return when QEMU's devices exist.

    The machine survives the end of this process. Cancelled or failed, it may still come up: the
    caller's record says that it was launched, and `stop` ends it.

    Raises:
        ProviderError: the shim or QEMU ended; carries QEMU's message.
    """
    machine = plan.machine
    process = await asyncio.create_subprocess_exec(
        *plan.scope, sys.executable, "-s", "-S", "-m", SHIM_MODULE, str(machine.shim_lock),
        cwd="/",
        env=tool_environment(PYTHONPATH=SHIM_PYTHONPATH),  # QEMU and slirp4netns inherit it
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LAUNCH_LIMIT_S):
            word = await _talk(machine.name, process, json.dumps(asdict(config)).encode())
    except TimeoutError as error:
        raise ProviderError(
            machine.name,
            f"QEMU did not come up within {_LAUNCH_LIMIT_S:.0f} s",
            hint=f"see {machine.console} and {machine.exit_report}",
        ) from error
    if "error" in word:
        raise ProviderError(
            machine.name,
            f"it could not be powered on: {word['error']}",
            hint="vmlab doctor checks what a machine needs from this host",
            public=messages.POWER_FAILED,
        )


async def _talk(name: str, process: asyncio.subprocess.Process, config: bytes) -> dict[str, Any]:
    """Send the configuration once the shim has locked the machine; return its last line."""
    assert process.stdin is not None  # noqa: S101 - asked for by the caller
    try:
        word = await _read_word(name, process)
        if "locked" in word:
            process.stdin.write(config)
            process.stdin.write_eof()
            word = await _read_word(name, process)
    finally:
        process.stdin.close()  # a shim that has no configuration ends
    return word


async def _read_word(name: str, process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - asked for by the caller
    assert process.stderr is not None  # noqa: S101
    if line := await process.stdout.readline():
        return dict(json.loads(line))
    message = (await process.stderr.read(4000)).decode(errors="replace").strip()
    raise ProviderError(name, f"its process did not start: {message[-1000:]}")
