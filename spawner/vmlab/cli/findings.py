"""What `vmlab doctor` concludes from facts. Pure: facts in, findings out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from vmlab.host import HostFacts
from vmlab.lab import Lab
from vmlab.providers.qemu.confine import Confinement, machine_limits

RESERVE_MIB = 1024
"""Memory that stays with the host and the hub."""

SYSTEM_GROWTH_MIB = 1024
"""What a trainee's own packages and logs add to a machine's root disk, as a rule of thumb."""

SEATS_PER_CORE = {"kvm": 8, "tcg": 2}
"""Machines a core for terminals and notebooks, when not all compute at once: a rule of thumb."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    level: Level
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Seats:
    """How many machines of a lab fit, by what limits them."""

    memory: int
    disk: int
    processor: int
    wanted: int

    @property
    def fit(self) -> int:
        """What memory and disk hold. Processors only make it slow, so they do not count here."""
        return min(self.memory, self.disk)


def count_seats(facts: HostFacts, lab: Lab, accelerator: str) -> Seats:
    """Return how many seats fit now, each filling its memory and volume."""
    memory_mib = machine_limits(lab.machine.memory_mib, lab.machine.cpus).memory_mib
    per_core = SEATS_PER_CORE.get(accelerator, SEATS_PER_CORE["tcg"])
    return Seats(
        memory=max(0, facts.available_mib - RESERVE_MIB) // memory_mib,
        disk=facts.state_free_mib // (lab.volume_mib + SYSTEM_GROWTH_MIB),
        processor=math.floor(facts.cores * per_core / lab.machine.cpus),
        wanted=len(lab.accounts.trainees),
    )


def seats_findings(facts: HostFacts, seats: Seats) -> list[Finding]:
    """Return what memory, disk and processors mean for the number of seats."""
    wanted = f"the lab has {seats.wanted}"
    return [
        Finding(
            "memory",
            Level.OK if seats.memory >= seats.wanted else Level.WARN,
            f"{facts.available_mib} of {facts.memory_mib} MiB available: {seats.memory} seats, "
            f"each using all of its memory; {wanted}",
            "" if seats.memory >= seats.wanted else "lower [machine] memory, or fewer trainees",
        ),
        Finding(
            "disk",
            Level.OK if seats.disk >= seats.wanted else Level.WARN,
            f"{facts.state_free_mib} MiB free for volumes: {seats.disk} seats, each filling its "
            f"volume; {wanted}",
            ""
            if seats.disk >= seats.wanted
            else "lower [volume] size, or set VMLAB_STATE to a folder on a larger disk",
        ),
        Finding(
            "processors",
            Level.OK if seats.processor >= seats.wanted else Level.WARN,
            f"{facts.cores} cores: good for about {seats.processor} seats at work; {wanted}",
            ""
            if seats.processor >= seats.wanted
            else "more seats work, but slowly; let them start one after the other",
        ),
    ]


def accelerator_finding(name: str, reason: str) -> Finding:
    """Return what KVM or emulation means."""
    if name == "kvm":
        return Finding("accelerator", Level.OK, reason)
    remedy = (
        "let this user open it: adduser USER kvm, then log in again"
        if "may not be opened" in reason
        else "enable virtualisation in the firmware, or nested virtualisation where this host is a "
        "VM itself"
    )
    slow = "machines work, but start in a minute instead of seconds"
    return Finding("accelerator", Level.WARN, reason, f"{slow}; {remedy}")


def userns_finding(problem: str, *, is_root: bool) -> Finding:
    """Return whether machines can get network namespaces of their own."""
    if not problem:
        return Finding("namespaces", Level.OK, "each machine gets a network of its own")
    advice = (
        "this host's container forbids it; give it CAP_SYS_ADMIN"
        if is_root
        else "allow them: sysctl kernel.unprivileged_userns_clone=1, or run vmlab as root"
    )
    return Finding("namespaces", Level.FAIL, problem, advice)


def limits_finding(kind: Confinement) -> Finding:
    """Return how well machines are kept to their share."""
    if kind is Confinement.RLIMITS:
        return Finding(
            "limits",
            Level.WARN,
            "memory by rlimits only; processor time is shared, not limited",
            "run as root on a host with systemd or writable cgroups",
        )
    return Finding("limits", Level.OK, f"memory and processor time, by {kind.value}")


def address_finding(lab: Lab) -> Finding:
    """Return who can reach the hub, and whether passwords travel in clear."""
    if lab.hub.is_loopback:
        return Finding("address", Level.OK, f"{lab.hub.url}: from this host only")
    return Finding(
        "address",
        Level.WARN,
        f"{lab.hub.address}:{lab.hub.port} without encryption: passwords can be read on the way",
        "put a web server with TLS in front of it (docs/operator.md)",
    )
