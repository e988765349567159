"""How many seats of a lab fit this host, and when the last is ready. Pure, but for `examine_seats`.

Two numbers, because they answer two questions: how many machines can be filled by their trainees
at once (what admission promises, `vmlab.providers.qemu.process.admission`), and how many idle ones
the host holds by what one was measured to take here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from vmlab.images.store import ImageStore
from vmlab.lab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers.facts import Finding, Level, Measured, Seats
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.process.admission import Memory, MemoryFacts
from vmlab.providers.qemu.process.confine import machine_limits
from vmlab.providers.qemu.warm.template import list_templates
from vmlab.system.host import RESERVE_MIB, HostFacts, find_host_facts
from vmlab.volumes import allowance

SEATS_PER_CORE = {"kvm": 8, "tcg": 2}
"""Machines a core for terminals and notebooks, when not all compute at once: a rule of thumb."""


async def examine_seats(lab: Lab, paths: Paths, accelerator: str) -> tuple[Seats, list[Finding]]:
    """Return how many seats fit this host now, and what decides it."""
    facts = find_host_facts(paths.state, paths.cache)
    memory = await Memory(paths.cache / "promises").facts()
    ours = {str(paths.machines), str(paths.pool)}
    running = sum(str(Path(machine.folder).parent) in ours for machine in memory.machines)
    measured = _find_measured(lab, paths, accelerator)
    images = [image for image in ImageStore(paths.images).list() if image.name in lab.images]
    seats = count_seats(
        facts,
        memory,
        lab,
        accelerator,
        running=running,
        measured=measured,
        system_mib=max((image.disk_size_mib for image in images), default=0),
    )
    findings = seats_findings(facts, memory, seats, lab)
    return seats, [measured_finding(lab.machine.image, measured), *findings]


def _find_measured(lab: Lab, paths: Paths, accelerator: str) -> Measured | None:
    """Return what a machine of this size was measured to take last, of whatever image version."""
    wanted = (lab.machine.image, lab.machine.memory_mib, lab.machine.cpus, accelerator)
    found = [
        template
        for template in list_templates(paths.templates)
        if template.measured
        and wanted
        == (
            template.kind.image,
            template.kind.memory_mib,
            template.kind.cpus,
            template.kind.accelerator,
        )
    ]
    return max(found, key=lambda template: template.parked_at).measured if found else None


def _overcommit(lab: Lab) -> float:
    return float(QemuOptions.of(lab.provider.options).overcommit)


def count_seats(
    facts: HostFacts,
    memory: MemoryFacts,
    lab: Lab,
    accelerator: str,
    *,
    running: int = 0,
    measured: Measured | None = None,
    system_mib: int = 0,
) -> Seats:
    """Return how many seats fit.

    Args:
        system_mib: the size of a machine's system disk.
        running: how many of the machines in `memory` are this lab's.
        measured: what one machine takes on this host; None if nobody measured it.
    """
    per_core = SEATS_PER_CORE.get(accelerator, SEATS_PER_CORE["tcg"])
    wanted, machines = len(lab.accounts.trainees), 1 + len(lab.nodes)
    # Whoever has machines has the event's server, too.
    server_mib = 0 if running else _server_mib(lab)
    running = max(0, running - (lab.server is not None)) // machines
    trainee_mib = allowance.limit_mib(lab.allowance, system_mib)
    room_mib = memory.room_mib(_overcommit(lab)) - server_mib
    spare_mib = facts.state_spare_mib - _server_disk_mib(lab, system_mib)
    cpus = lab.machine.cpus + sum(node.cpus for node in lab.nodes)
    seats = Seats(
        trainee_mib=trainee_mib,
        wanted=wanted,
        running=running,
        memory=running + max(0, room_mib) // _trainee_mib(lab),
        disk=running + max(0, spare_mib) // trainee_mib,
        processor=math.floor(facts.cores * per_core / cpus),
    )
    if measured is None:
        return seats
    in_memory = max(0, memory.available_mib - RESERVE_MIB) / max(1.0, machines * measured.pss_mib)
    on_disk = max(0, spare_mib) / max(1.0, machines * measured.disk_mib)
    return replace(
        seats,
        measured=measured,
        idle=running + math.floor(min(in_memory, on_disk)),
        last_ready_s=round(wanted * machines * measured.start_cpu_s / facts.cores, 1),
    )


def _trainee_mib(lab: Lab) -> int:
    """Return what one trainee's machines may take of the host's memory together."""
    sizes = [(lab.machine.memory_mib, lab.machine.cpus)]
    sizes += [(node.memory_mib, node.cpus) for node in lab.nodes]
    return sum(machine_limits(memory_mib, cpus).memory_mib for memory_mib, cpus in sizes)


def _server_mib(lab: Lab) -> int:
    """Return what the event's server may take of the host's memory; 0: there is none."""
    if lab.server is None:
        return 0
    return machine_limits(lab.server.memory_mib, lab.server.cpus).memory_mib


def _server_disk_mib(lab: Lab, system_mib: int) -> int:
    if lab.server is None:
        return 0
    return allowance.full_mib(system_mib) + allowance.full_mib(lab.server.volume_mib)


def seats_findings(facts: HostFacts, memory: MemoryFacts, seats: Seats, lab: Lab) -> list[Finding]:
    """Return what memory, disk and processors mean for the number of seats."""
    return [
        _memory_finding(facts, memory, seats, lab),
        Finding(
            "disk",
            _level(seats.disk, seats),
            f"{facts.state_spare_mib} MiB free: {seats.disk} seats, if each trainee takes all that "
            f"they may ({seats.trainee_mib} MiB: system disk, volume, snapshots, copies); the "
            f"lab has {seats.wanted}",
            ""
            if seats.disk >= seats.wanted
            else "lower [volume] size or total, or set VMLAB_STATE to a folder on a larger disk",
        ),
        _processors_finding(facts, seats),
    ]


def measured_finding(image: str, measured: Measured | None) -> Finding:
    """Return what was measured on this host, or how to measure it."""
    if measured is None:
        return Finding(
            "measured",
            Level.WARN,
            "nothing yet: what an idle machine takes, and how long a start computes",
            f"vmlab image template {image}",
        )
    return Finding(
        "measured",
        Level.OK,
        f"an idle machine takes {measured.pss_mib:.0f} MiB of memory and {measured.disk_mib:.0f} "
        f"MiB of disk; a start computes {measured.start_cpu_s:.1f} s",
    )


def _level(fit: int, seats: Seats) -> Level:
    return Level.OK if fit >= seats.wanted else Level.WARN


def _memory_finding(facts: HostFacts, memory: MemoryFacts, seats: Seats, lab: Lab) -> Finding:
    limit_mib = _trainee_mib(lab)
    overcommit = _overcommit(lab)
    times = f", promised {overcommit:g} times" if overcommit != 1 else ""
    taken = (
        f"; {len(memory.machines)} running may still take {memory.growth_mib} MiB"
        if memory.machines
        else ""
    )
    found = (
        f"{memory.available_mib} of {facts.memory_mib} MiB available, {RESERVE_MIB} of them kept "
        f"for the host{times}{taken}: {seats.memory} seats, each using all of its memory "
        f"({limit_mib} MiB); the lab has {seats.wanted}"
    )
    if seats.memory >= seats.wanted:
        return Finding("memory", Level.OK, found)
    return Finding("memory", Level.WARN, found, _memory_advice(seats, memory, limit_mib))


def _memory_advice(seats: Seats, memory: MemoryFacts, limit_mib: int) -> str:
    advice = "lower [machine] memory, or fewer trainees"
    if seats.idle is None or seats.idle < seats.wanted:
        return advice
    promises_mib = memory.growth_mib + (seats.wanted - seats.running) * limit_mib
    factor = math.ceil(10 * promises_mib / (memory.available_mib - RESERVE_MIB)) / 10
    return (
        f"{advice}; or [provider.qemu] overcommit = {factor}, if they will not all fill it at once"
    )


def _processors_finding(facts: HostFacts, seats: Seats) -> Finding:
    ready = (
        ""
        if seats.last_ready_s is None
        else f"; when all {seats.wanted} start at once, the last is ready after about "
        f"{seats.last_ready_s:.0f} s (measured)"
    )
    return Finding(
        "processors",
        _level(seats.processor, seats),
        f"{facts.cores} cores: good for about {seats.processor} seats at work, by a rule of thumb; "
        f"the lab has {seats.wanted}{ready}",
        ""
        if seats.processor >= seats.wanted
        else "more seats work, but slowly while all compute at once",
    )
