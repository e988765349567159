"""How many seats of a lab fit this host, and when the last is ready. Pure: facts in, findings out.

Two numbers, because they answer two questions: how many machines can be filled by their trainees
at once (what admission promises, `vmlab.providers.qemu.process.admission`), and how many idle ones
the host holds by what one was measured to take here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from vmlab.cli.findings import Finding, Level
from vmlab.lab.lab import Lab
from vmlab.providers.qemu.process.admission import RESERVE_MIB, MemoryFacts
from vmlab.providers.qemu.process.confine import machine_limits
from vmlab.providers.qemu.warm.template import Measured
from vmlab.system.host import HostFacts
from vmlab.volumes import allowance

SEATS_PER_CORE = {"kvm": 8, "tcg": 2}
"""Machines a core for terminals and notebooks, when not all compute at once: a rule of thumb."""


@dataclass(frozen=True)
class Seats:
    """How many machines of a lab fit, those included that run already."""

    wanted: int
    running: int
    memory: int  # each filling its memory
    disk: int  # each taking all that its trainee may
    processor: int  # a rule of thumb
    idle: int | None = None  # in memory and on disk, as measured
    last_ready_s: float | None = None  # when all that are wanted start at once
    measured: Measured | None = None
    trainee_mib: int = 0  # of disk: what one trainee may take

    @property
    def fit(self) -> int:
        """What memory and disk hold. Processors only make it slow, so they do not count here."""
        return min(self.memory, self.disk)

    @property
    def limited_by(self) -> str:
        """What runs out first."""
        return "memory" if self.memory <= self.disk else "disk"

    def as_json(self) -> dict[str, object]:
        """Return everything, for `--json`."""
        return {**asdict(self), "fit": self.fit, "limited_by": self.limited_by}


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
    limit_mib = machine_limits(lab.machine.memory_mib, lab.machine.cpus).memory_mib
    per_core = SEATS_PER_CORE.get(accelerator, SEATS_PER_CORE["tcg"])
    wanted = len(lab.accounts.trainees)
    trainee_mib = allowance.limit_mib(lab.allowance, system_mib)
    seats = Seats(
        trainee_mib=trainee_mib,
        wanted=wanted,
        running=running,
        memory=running + max(0, memory.room_mib(lab.provider.overcommit)) // limit_mib,
        disk=running + facts.state_spare_mib // trainee_mib,
        processor=math.floor(facts.cores * per_core / lab.machine.cpus),
    )
    if measured is None:
        return seats
    in_memory = max(0, memory.available_mib - RESERVE_MIB) / max(1.0, measured.pss_mib)
    on_disk = facts.state_spare_mib / max(1.0, measured.disk_mib)
    return replace(
        seats,
        measured=measured,
        idle=running + math.floor(min(in_memory, on_disk)),
        last_ready_s=round(wanted * measured.start_cpu_s / facts.cores, 1),
    )


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


def summary(seats: Seats) -> str:
    """Return the report's last line."""
    idle = "" if seats.idle is None else f", {seats.idle} when they are idle"
    return (
        f"{seats.fit} seats of this lab fit when every trainee fills the machine "
        f"({seats.limited_by} runs out first){idle}; it has {seats.wanted} trainees."
    )


def _level(fit: int, seats: Seats) -> Level:
    return Level.OK if fit >= seats.wanted else Level.WARN


def _memory_finding(facts: HostFacts, memory: MemoryFacts, seats: Seats, lab: Lab) -> Finding:
    limit_mib = machine_limits(lab.machine.memory_mib, lab.machine.cpus).memory_mib
    overcommit = lab.provider.overcommit
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
    return f"{advice}; or [provider] overcommit = {factor}, if they will not all fill it at once"


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
