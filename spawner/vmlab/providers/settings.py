"""Which provider a lab has, and where it keeps things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from vmlab.lab.lab import Lab
from vmlab.lab.provider_options import Options, find_options
from vmlab.model import Allowance, MachineRole, MachineSpec
from vmlab.paths import Paths


@dataclass(frozen=True)
class ProviderSettings:
    """Which provider and where it keeps things: everything that makes two providers the same."""

    name: str  # of an entry point
    state: Path
    cache: Path
    options: Options = ()  # the provider's own; what is left out has its default
    allowance: Allowance = field(default_factory=Allowance)

    def with_options(self, **changes: Any) -> Self:
        """Return the same with these options."""
        return replace(self, options=as_options({**dict(self.options), **changes}))


def as_options(chosen: Mapping[str, Any]) -> Options:
    """Return options in the one order that makes equal ones equal."""
    return tuple(sorted(chosen.items()))


def provider_settings(lab: Lab, paths: Paths) -> ProviderSettings:
    """Return the settings that make every process of this lab use the same machines."""
    kind = find_options(lab.provider.name)
    chosen = kind.complete(dict(lab.provider.options), len(lab.accounts.trainees))
    return ProviderSettings(
        lab.provider.name, paths.state, paths.cache, as_options(chosen), lab.allowance
    )


def spare_machines(lab: Lab) -> tuple[MachineSpec, ...]:
    """Return one machine of each kind that this lab has: the desk's first, the others once each."""
    desk = spare_machine(lab)
    others = [
        replace(
            desk,
            image=choice.image,
            memory_mib=choice.memory_mib,
            cpus=choice.cpus,
            internet=choice.internet,
            allowed=choice.allowed,
            role=role,
        )
        for choice, role in (
            *((node, MachineRole.NODE) for node in lab.nodes),
            *(((lab.server, MachineRole.SERVER),) if lab.server else ()),
        )
    ]
    kinds: dict[tuple[str, int, int], MachineSpec] = {}
    for spec in (desk, *others):
        kinds.setdefault((spec.image, spec.memory_mib, spec.cpus), spec)
    return tuple(kinds.values())


def spare_machine(lab: Lab) -> MachineSpec:
    """Return a machine of this lab that is nobody's: what is made ready ahead is like it."""
    return MachineSpec(
        name="spare",
        owner="",
        image=lab.machine.image,
        memory_mib=lab.machine.memory_mib,
        cpus=lab.machine.cpus,
        internet=lab.machine.internet,
        allowed=lab.machine.allowed,
        volume=None,
        bandwidth=lab.machine.bandwidth,
    )
