"""What the reconciler knows and what it may decide: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmlab.model import Leftover, MachineStatus


@dataclass(frozen=True)
class Seat:
    """One server of a hub user, running or not."""

    user: str
    server: str  # empty for the default server
    machine: str  # name of the machine that belongs to it
    ready: bool = False  # the hub serves it
    pending: bool = False  # the hub is at work on it: starting, stopping, checking
    nodes: tuple[str, ...] = ()  # names of further machines that belong to it

    @property
    def active(self) -> bool:
        """Whether the hub has a server here, or is about to."""
        return self.ready or self.pending

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of all machines that belong to it."""
        return (self.machine, *self.nodes)


@dataclass(frozen=True)
class ServerToken:
    """A token that the hub made for a server. `number` grows: the newest is the last start's."""

    number: int
    created: str  # numbers are used again after the newest token was deleted
    user: str
    server: str


@dataclass(frozen=True)
class HeldVolume:
    """A volume that the registry says is held by a machine."""

    name: str
    holder: str


@dataclass(frozen=True)
class Facts:
    """Hub and provider at one moment.

    `first` is the first complete look of this hub: only then a running machine without a server is
    one that the hub lost; later it is one whose stop failed.
    """

    machines: Mapping[str, MachineStatus]
    seats: tuple[Seat, ...]
    tokens: tuple[ServerToken, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    held: tuple[HeldVolume, ...] = ()
    first: bool = False
    shared: str = ""  # name of the machine that all servers share; empty: there is none

    @property
    def active(self) -> frozenset[str]:
        """Names of all machines that somebody has, or is about to."""
        own = {name for seat in self.seats if seat.active for name in seat.machines}
        return frozenset(own | {self.shared} if own and self.shared else own)


class ActionKind(StrEnum):
    """What the reconciler can do. None of it deletes a disk or a volume."""

    ADOPT = "adopt"  # give a machine that is on its server back
    FORGET = "forget"  # have the hub end a server whose machine is gone
    STOP = "stop"  # power off a machine without a server
    REVOKE = "revoke"  # delete a token whose machine is gone
    CLEAR = "clear"  # remove what a machine left behind: process, cgroup, socket, empty folder
    START = "start"  # start the shared machine again, which ended while others are at work
    RELEASE = "release"  # let a volume go that a machine holds which does not run


@dataclass(frozen=True)
class Action:
    """One thing to do, or to do after the grace time, and why."""

    kind: ActionKind
    subject: str  # name of the machine, volume, token or thing left over
    why: str
    user: str = ""
    server: str = ""
    token: ServerToken | None = None
    leftover: Leftover | None = None
    volume: HeldVolume | None = None

    @property
    def key(self) -> str:
        """What identifies the trouble from one look to the next."""
        made = f"@{self.token.created}" if self.token else ""
        return f"{self.kind}:{self.subject}{made}"


@dataclass(frozen=True)
class Decision:
    """What to do now, and what was seen for the first time and waits for the grace time to pass.

    `seen` is to be given to the next look: trouble → when it was first seen.
    """

    actions: tuple[Action, ...]
    noticed: tuple[Action, ...]
    seen: Mapping[str, float]
