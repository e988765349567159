"""Switching a machine on: boot or clone, card and volume, until the guest runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import ProviderError
from vmlab.images.store import Image
from vmlab.model import MachineSpec, StartStyle
from vmlab.providers.qemu.channels.monitor import Monitor, as_conflict, open_monitor
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.providers.qemu.machine.records import Record, Stage, write_record
from vmlab.providers.qemu.machine.users import ensure_machine_user
from vmlab.providers.qemu.process import confine
from vmlab.providers.qemu.process.accelerator import Accelerator
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.argv import PLAIN_KERNEL_ARGS, MemoryFile, QemuMachine
from vmlab.providers.qemu.process.launch import launch_shim, make_shim_config
from vmlab.providers.qemu.process.neighbours import find_unreachable
from vmlab.providers.qemu.process.priority import Priority, set_priority
from vmlab.providers.qemu.warm.template import Template

POOL = "pool"
"""In a machine's record: it came from the pool."""


@dataclass(frozen=True)
class Plan:
    """How a machine comes to life: from nothing, or as a clone of a template."""

    image: Image
    accelerator: Accelerator
    doors: Path
    memory: Memory
    style: StartStyle = StartStyle.BOOT
    template: Template | None = None  # to be cloned


def make_machine(plan: Plan, spec: MachineSpec) -> QemuMachine:
    """Return QEMU's side of a machine."""
    image, is_plain = plan.image, plan.style is StartStyle.PLAIN
    memory = MemoryFile(plan.template.memory, shared=False) if plan.template else None
    return QemuMachine(
        name=spec.name,
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        accelerator=plan.accelerator,
        kernel=image.kernel,
        initrd=image.generic_initrd if is_plain else image.initrd,
        kernel_args=PLAIN_KERNEL_ARGS if is_plain else image.kernel_args,
        memory_file=memory,
    )


async def launch(
    folder: MachineFolder,
    record: Record,
    machine: QemuMachine,
    plan: Plan,
    *,
    internet: bool,
    network_mbit_s: int = 0,
) -> Record:
    """Start the machine's process; QEMU then waits with a halted guest.

    Raises:
        HostError: the host has no memory for it, or its limits cannot be set.
        MachineConflictError: its root disk is in use.
        ProviderError: QEMU ended; carries its message.
    """
    confinement = confine.detect_confinement()
    limits = confine.machine_limits(machine.memory_mib, machine.cpus, machine.translation_mib)
    config = make_shim_config(
        folder,
        machine,
        user=ensure_machine_user(folder),
        doors=plan.doors,
        unreachable=await find_unreachable() if internet else None,
        confinement=confinement,
        limits=limits,
        network_mbit_s=network_mbit_s,
    )
    folder.exit_report.unlink(missing_ok=True)  # the last run's
    try:
        async with plan.memory.reserve(folder.path, limits.memory_mib):
            # Recorded before it happens: whatever comes next, `stop` knows that something may run.
            record = write_record(
                folder, record, stage=Stage.POWERED, powered_at=time.time(), unit=folder.unit
            )
            await launch_shim(folder, config, confinement=confinement, limits=limits)
            await set_priority(folder.unit, Priority.SPARE)  # until somebody waits for it
    except ProviderError as error:
        raise as_conflict(machine.name, error) from error
    return record


async def power_on(
    folder: MachineFolder, record: Record, plan: Plan, spec: MachineSpec, volume: Path | None
) -> Record:
    """Start the machine's process, plug in card and volume, and run the guest.

    Raises:
        HostError, MachineConflictError, ProviderError: as `launch`; also when QEMU does not take
            the template or the volume.
    """
    record = await launch(
        folder,
        record,
        make_machine(plan, spec),
        plan,
        internet=spec.internet,
        network_mbit_s=spec.bandwidth.network_mbit_s,
    )
    await set_priority(folder.unit, Priority.START)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        if plan.template:
            await monitor.load_devices(plan.template.devices)
        await plug_in(monitor, volume, option_rom=plan.style is StartStyle.PLAIN)
        await monitor.resume()
    style = StartStyle.CLONE if plan.template else plan.style
    return write_record(folder, record, stage=Stage.LIVE, style=style.value)


async def wake(
    folder: MachineFolder, record: Record, spec: MachineSpec, volume: Path | None
) -> Record:
    """Make a halted machine of the pool a trainee's: plug in card and volume, run the guest.

    Raises:
        MachineConflictError: the volume is attached elsewhere.
        ProviderError: QEMU does not take it.
    """
    await set_priority(record.unit, Priority.START)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        await plug_in(monitor, volume)
        await monitor.resume()
    return write_record(folder, record, stage=Stage.LIVE, style=POOL)


async def plug_in(monitor: Monitor, volume: Path | None, *, option_rom: bool = False) -> None:
    """Give a halted machine its network card and its volume."""
    await monitor.plug_card(option_rom=option_rom)
    if volume:
        await monitor.plug_volume(volume)
