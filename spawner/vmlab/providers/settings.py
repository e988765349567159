"""Which provider a lab has, and where it keeps things."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vmlab.lab.lab import Lab
from vmlab.model import Allowance, MachineSpec, StartStyle
from vmlab.paths import Paths

_CORES_FOR_POOL: Final = 8


@dataclass(frozen=True)
class ProviderSettings:
    """Which provider and where it keeps things: everything that makes two providers the same."""

    name: str  # "qemu" or "fake"
    state: Path
    cache: Path
    accelerator: str = "auto"  # "auto", "kvm" or "tcg"
    start_style: StartStyle = StartStyle.AUTO
    pool: int = 0  # machines kept ready ahead
    overcommit: float = 1.0  # how many times the host's memory is promised to machines
    allowance: Allowance = field(default_factory=Allowance)


def provider_settings(lab: Lab, paths: Paths) -> ProviderSettings:
    """Return the settings that make every process of this lab use the same machines."""
    return ProviderSettings(
        name=lab.provider.name.value,
        state=paths.state,
        cache=paths.cache,
        accelerator=lab.provider.accelerator.value,
        pool=pool_size(lab),
        overcommit=lab.provider.overcommit,
        allowance=lab.allowance,
    )


def pool_size(lab: Lab) -> int:
    """Return how many machines wait for trainees: as the lab says, else by the host's size.

    A machine that waits costs memory, and its making a processor: a small host has neither to
    spare.
    """
    if lab.provider.pool is not None:
        return lab.provider.pool
    cores = len(os.sched_getaffinity(0))
    return min(len(lab.accounts.trainees), cores // 2) if cores >= _CORES_FOR_POOL else 0


def spare_machine(lab: Lab) -> MachineSpec:
    """Return a machine of this lab that is nobody's: what is made ready ahead is like it."""
    return MachineSpec(
        name="spare",
        owner="",
        image=lab.machine.image,
        memory_mib=lab.machine.memory_mib,
        cpus=lab.machine.cpus,
        internet=lab.machine.internet,
        volume=None,
        bandwidth=lab.machine.bandwidth,
    )
