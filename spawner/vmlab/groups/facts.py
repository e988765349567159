"""A group: the machines of one trainee, and the event's server; frozen, in the order of the lab."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

from vmlab.lab.machines import Readiness
from vmlab.model import MachineRole, MachineSpec


@dataclass(frozen=True)
class Member:
    """One machine of a group."""

    label: str  # what its trainee calls it: "desk", "node1", "server"
    spec: MachineSpec
    after: tuple[str, ...] = ()  # labels of those that are ready before it is started
    ready: Readiness | None = None  # None: when its agent has set it up

    @property
    def is_shared(self) -> bool:
        """Whether it is the event's, and not the trainee's."""
        return self.spec.role is MachineRole.SERVER


@dataclass(frozen=True)
class Group:
    """What one trainee starts: the desk, further machines, and the event's server."""

    members: tuple[Member, ...]  # the desk first; the server, if any, last

    @property
    def desk(self) -> Member:
        """The trainee's desk."""
        return self.members[0]

    @property
    def own(self) -> tuple[Member, ...]:
        """The trainee's own machines."""
        return tuple(member for member in self.members if not member.is_shared)

    @property
    def server(self) -> Member | None:
        """The event's server."""
        return next((member for member in self.members if member.is_shared), None)

    def get(self, label: str) -> Member:
        """Return the machine of this label, which is one of the lab's."""
        return next(member for member in self.members if member.label == label)


def layers_of(after: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Return labels in the order of a start: those of one layer start at the same time.

    Args:
        after: of each label those that come before it; without a cycle.
    """
    sorter = TopologicalSorter(after)
    sorter.prepare()
    layers = []
    while sorter.is_active():
        layer = sorter.get_ready()
        layers.append(tuple(sorted(layer)))
        sorter.done(*layer)
    return tuple(layers)
