"""Starts the shim, detached from the hub, and waits for its word."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vmlab
import vmlab_protocol
from vmlab import messages
from vmlab.errors import ProviderError
from vmlab.providers.qemu.channels.monitor import INNER_SERVER_PORT, INNER_SSH_PORT
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.providers.qemu.process.accelerator import Accelerator
from vmlab.providers.qemu.process.argv import AGENT_FD, EVENTS_FD, QMP_FD, QemuMachine, make_argv
from vmlab.providers.qemu.process.confine import (
    CgroupPlan,
    Confinement,
    Limits,
    make_cgroups,
    make_scope_words,
    plan_cgroups,
)
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

_LAUNCH_LIMIT_S = 30.0


def make_shim_config(
    folder: MachineFolder,
    machine: QemuMachine,
    *,
    user: WorkerUser,
    doors: Path,
    confinement: Confinement,
    limits: Limits,
    unreachable: Sequence[str] | None = None,
    network_mbit_s: int = 0,
) -> ShimConfig:
    """Return what the shim is to run.

    Args:
        unreachable: networks that stay out of reach of the machine's internet; None: it has none.
        doors: folder with the hub's side of the relays, `hub.sock` and `proxy.sock`.
    """
    plan = plan_cgroups(confinement, folder.unit, limits)
    alone = confinement is Confinement.RLIMITS
    lent = machine.memory_file if machine.is_clone and user.drop else None
    return ShimConfig(
        argv=make_argv(machine),
        uid=user.uid,
        gid=user.gid,
        drop=user.drop,
        groups=_device_groups(machine.accelerator),
        cgroup_procs=[str(group / "cgroup.procs") for group in plan.folders],
        # Address space is far more than memory: code, stacks and mappings of files count too.
        address_space=(limits.memory_mib + 2048) * 2**20 if alone else None,
        # Linux counts them per user and user namespace, and each machine has its own of both.
        tasks=limits.tasks if alone else None,
        inward={
            folder.server.name: INNER_SERVER_PORT,
            folder.ssh.name: INNER_SSH_PORT,
        },
        outward={
            str(HUB_PORT): str(doors / "hub.sock"),
            str(PROXY_PORT): str(doors / "proxy.sock"),
        },
        bytes_per_s=network_mbit_s * 1_000_000 // 8,
        internet=unreachable is not None,
        unreachable=list(unreachable or ()),
        console=folder.console.name,
        exit_report=folder.exit_report.name,
        events=EVENTS_FD,
        sockets={folder.qmp.name: QMP_FD, folder.agent.name: AGENT_FD},
        memory=str(lent.path) if lent else "",
    )


def _device_groups(accelerator: Accelerator) -> list[int]:
    if accelerator is not Accelerator.KVM:
        return []
    try:
        return [grp.getgrnam("kvm").gr_gid]
    except KeyError:
        return [os.stat("/dev/kvm").st_gid]  # noqa: PTH116 - a device, not a path of ours


async def launch_shim(
    folder: MachineFolder, config: ShimConfig, *, confinement: Confinement, limits: Limits
) -> None:
    """Start the machine's process; return when QEMU's devices exist.

    The machine survives the end of this process. Cancelled or failed, it may still come up: the
    caller's record says that it was launched, and `stop` ends it.

    Raises:
        HostError: the limits cannot be set.
        ProviderError: the shim or QEMU ended; carries QEMU's message.
    """
    name = folder.path.name
    plan: CgroupPlan = plan_cgroups(confinement, folder.unit, limits)
    await asyncio.to_thread(make_cgroups, plan)
    words = [sys.executable, "-s", "-S", "-m", SHIM_MODULE, str(folder.shim_lock)]
    if confinement is Confinement.SYSTEMD:
        words = [*make_scope_words(folder.unit, limits), *words]
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd="/",
        env=tool_environment(PYTHONPATH=SHIM_PYTHONPATH),  # QEMU and slirp4netns inherit it
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_LAUNCH_LIMIT_S):
            word = await _talk(name, process, json.dumps(asdict(config)).encode())
    except TimeoutError as error:
        raise ProviderError(
            name,
            f"QEMU did not come up within {_LAUNCH_LIMIT_S:.0f} s",
            hint=f"see {folder.console} and {folder.exit_report}",
        ) from error
    if "error" in word:
        raise ProviderError(
            name,
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
