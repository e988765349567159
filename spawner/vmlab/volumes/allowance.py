"""What one trainee takes and may take of the host's disk: one number for everything. Pure.

Volume and snapshots, system disk and older ones, machines set aside, copies, deleted volumes: all
of it counts against one limit, with the size that it may grow to on its own.
A machine that runs writes until its disks are full: their sizes bound those. What may
still be added (a snapshot, a machine set aside, a copy) is added only where that sum stays within
the limit; so the limit holds whatever the machine writes meanwhile (docs/decisions/0016).

| what | counts as |
| --- | --- |
| each system disk, there or not | its whole size |
| volume without snapshots | its whole size |
| volume with snapshots | what it takes, and its size once more: all of it may be rewritten |
| everything else | what it takes; a copy being made, what it was said to take at most |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vmlab.model import Allowance, DiskKind, DiskPart

VOLUMES = 4
"""How many times a volume's size a trainee may take beside the system disk, unless the lab says:
the home, its rewriting after a snapshot, a copy to take home, older states and machines."""

_TIGHT = 20

DIAGNOSTICS = (DiskKind.ASIDE, DiskKind.OLD_DISK)
"""What is kept for diagnosis only, and goes first."""


@dataclass(frozen=True)
class Use:
    """What one trainee takes."""

    owner: str
    limit_mib: int
    parts: tuple[DiskPart, ...] = ()

    @property
    def taken_mib(self) -> int:
        """What is taken now."""
        return sum(part.taken_mib for part in self.parts)

    @property
    def most_mib(self) -> int:
        """What it may grow to on its own."""
        return sum(max(part.taken_mib, part.most_mib) for part in self.parts)

    @property
    def spare_mib(self) -> int:
        """What may be added; negative beyond the limit."""
        return self.limit_mib - self.most_mib

    @property
    def is_tight(self) -> bool:
        """Whether so little may be added that earlier states are deleted for new ones."""
        return self.spare_mib < self.limit_mib // _TIGHT

    def made_anew(self) -> list[DiskPart]:
        """Return what goes first when something is to be added, the oldest first."""
        found = (part for part in self.parts if part.kind in DIAGNOSTICS)
        return sorted(found, key=lambda part: (part.at, part.path))

    def without(self, part: DiskPart) -> Use:
        """Return what is taken when this part is gone."""
        return replace(self, parts=tuple(other for other in self.parts if other != part))


def full_mib(size_mib: int) -> int:
    """Return what a qcow2 file of this size takes when all of it is written, tables included."""
    return size_mib + size_mib // 1024 + 1


def volume_most_mib(size_mib: int, taken_mib: int, *, has_snapshots: bool) -> int:
    """Return what a volume's file may come to while no snapshot is taken."""
    full = full_mib(size_mib)
    return taken_mib + full if has_snapshots else max(taken_mib, full)


def limit_mib(allowance: Allowance, system_mib: int, volume_mib: int = 0) -> int:
    """Return what one trainee may take.

    It is never less than all disks, so that every machine can be started.

    Args:
        system_mib: the size of a system disk.
        volume_mib: of the trainee's volume; one that was made larger counts by its own size.
    """
    systems, nodes = systems_mib(allowance, system_mib), node_volumes_mib(allowance)
    least = systems + nodes + full_mib(volume_mib)
    volumes = VOLUMES * (full_mib(max(allowance.volume_mib, volume_mib)) + nodes)
    return max(least, allowance.total_mib or systems + volumes)


def systems_mib(allowance: Allowance, system_mib: int) -> int:
    """Return what the system disks of a trainee's machines come to.

    Args:
        system_mib: the size of one.
    """
    return (1 + allowance.nodes) * full_mib(system_mib)


def node_volumes_mib(allowance: Allowance) -> int:
    """Return what the volumes of a trainee's nodes come to at most, however large each of them."""
    size_mib = allowance.node_volumes_mib
    return size_mib + size_mib // 1024 + allowance.nodes if size_mib else 0


def largest_volume_mib(allowance: Allowance, system_mib: int) -> int:
    """Return how large a volume may be that comes from outside: both disks fit the lab's limit."""
    others = systems_mib(allowance, system_mib) + node_volumes_mib(allowance)
    spare = limit_mib(allowance, system_mib) - others - 1
    return max(allowance.volume_mib, spare * 1024 // 1025)


def with_system_disks(
    parts: Iterable[DiskPart], owner: str, system_mib: int, machines: int = 1
) -> list[DiskPart]:
    """Return the parts with the system disks that the next start makes, where there are none now.

    Args:
        machines: how many machines the owner has.
    """
    found = list(parts)
    missing = machines - sum(part.kind is DiskKind.MACHINE for part in found)
    if system_mib and missing > 0:
        found.append(DiskPart(DiskKind.MACHINE, owner, "", "", 0, missing * full_mib(system_mib)))
    return found
