"""The facts that the hub's side of VMLab passes around: frozen, typed, without behaviour.

Words are those of docs/words.md; units are in the names (`_mib`, `_s`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase


class MachineState(StrEnum):
    """What a provider says of a machine."""

    ABSENT = "absent"  # the provider knows nothing of it
    STOPPED = "stopped"  # its disk exists, nothing runs
    STARTING = "starting"  # it runs, its seed is not applied yet
    RUNNING = "running"  # it runs and was seeded

    @property
    def is_on(self) -> bool:
        """Whether something runs, seeded or not."""
        return self in {MachineState.STARTING, MachineState.RUNNING}


class StartStyle(StrEnum):
    """How a machine is started."""

    AUTO = "auto"  # a machine of the pool, else a clone, else a slim boot
    CLONE = "clone"  # as AUTO, but never from the pool
    BOOT = "boot"  # a cold boot, made slim
    PLAIN = "plain"  # a cold boot as the distribution has it: what the others are compared with


@dataclass(frozen=True)
class PhaseEvent:
    """A phase has begun (or, for READY, was reached).

    `detail` is for operators; `notice` is something that the start found out and the trainee
    should know, for instance that a new image version replaced the system; `way` is how the
    machine is started, once that is known: starts of one way take alike.
    """

    phase: Phase
    detail: str = ""
    notice: Notice | None = None
    way: str = ""


@dataclass(frozen=True)
class VolumeSpec:
    """A persistent disk. Its size is its quota."""

    name: str
    size_mib: int
    mount: str = "/home/trainee"


@dataclass(frozen=True)
class Bandwidth:
    """What a machine may move; 0: as much as there is."""

    disk_mib_s: int = 200  # reading and writing, all its disks together
    disk_iops: int = 4000  # requests a second, likewise
    network_mbit_s: int = 0  # each way, with hub, browsers and SSH; likewise with the internet


class MachineRole(StrEnum):
    """What a machine is for."""

    DESK = "desk"  # a trainee's own; the single-user server runs in it
    NODE = "node"  # a further machine of the same trainee
    SERVER = "server"  # shared by an event


class Meeting(StrEnum):
    """Whom a machine reaches in its event's network."""

    ALL = "all"  # all machines of the event
    OWN = "own"  # those of the same trainee, and the server


@dataclass(frozen=True)
class NetworkSpec:
    """The network of an event: its machines, and nothing else, are in it."""

    name: str  # the event's; a result of `vmlab.names`
    addresses: IPv4Network
    meeting: Meeting = Meeting.ALL

    @property
    def resolver(self) -> IPv4Address:
        """The network's own address, no machine's: it knows the machines' names."""
        return self.addresses.network_address + 1


@dataclass(frozen=True)
class Card:
    """A machine's place in its event's network; stays the same over all its starts."""

    network: NetworkSpec
    mac: str  # 02:00:...
    address: IPv4Interface
    trainee: str  # whose machine it is: those of one trainee are kin; empty: the event's
    names: tuple[str, ...]  # for everybody in the network; the first is the machine's full name
    own_names: tuple[str, ...] = ()  # for the same trainee's machines only

    @property
    def place(self) -> str:
        """What cannot change while a machine is in there, as one line."""
        return f"{self.network.name} {self.mac} {self.address}"


@dataclass(frozen=True)
class NetworkStatus:
    """The network of an event as its provider sees it."""

    name: str
    machines: tuple[str, ...] = ()  # names of the machines that are in it, sorted
    flooding: tuple[str, ...] = ()  # those of them that were limited in the last minute
    problem: str = ""  # what is wrong with it


@dataclass(frozen=True)
class MachineSpec:
    """One machine as a lab wants it."""

    name: str
    owner: str  # hub user name: text from outside, never a path or an argument
    image: str  # name in the image store, e.g. "desk"
    memory_mib: int
    cpus: int
    internet: bool  # whether it reaches the internet, all of it or `allowed`
    volume: VolumeSpec | None
    host_name: str = "desk"
    bandwidth: Bandwidth = Bandwidth()
    server: str = ""  # the hub's name of the server; empty for a trainee's only one
    role: MachineRole = MachineRole.DESK
    card: Card | None = None  # in its event's network; None: it is on its own
    allowed: tuple[str, ...] = ()  # the only names on the internet that it reaches; none: all

    @property
    def way_out(self) -> str:
        """What it reaches of the internet, as one word: machines of one way are alike."""
        if not self.internet:
            return ""
        return " ".join(sorted(self.allowed)) or "all"


class EndCause(StrEnum):
    """Why a machine ended that nobody outside of it stopped."""

    REBOOT = "reboot"
    PANIC = "panic"  # its kernel crashed
    POWEROFF = "poweroff"


@dataclass(frozen=True)
class MachineStatus:
    """One machine as its provider sees it."""

    name: str
    state: MachineState
    owner: str = ""
    image_version: str = ""
    url: str = ""  # where the hub's proxy reaches the server; empty unless STARTING or RUNNING
    since: float = 0.0  # seconds since the epoch: when it was powered on
    problem: str = ""  # why it stopped, when it did not stop by request; or what is wrong with it
    cause: EndCause | None = None  # the same, when STOPPED and known


class LeftoverKind(StrEnum):
    """What may be left of a machine that does not run."""

    PROCESS = "process"  # of a machine that has ended or is gone
    CGROUP = "cgroup"
    SOCKET = "socket"  # of a machine whose process was killed
    FOLDER = "folder"  # of a machine that was never made: no record, no disk in it


@dataclass(frozen=True)
class Leftover:
    """Something that a machine left behind; never a disk and never a volume."""

    kind: LeftoverKind
    machine: str
    what: str  # pid or path: what it is found by again
    why: str


@dataclass(frozen=True)
class AsideMachine:
    """A machine that was replaced and is kept, stopped, for diagnosis."""

    name: str  # MACHINE-TIMESTAMP
    machine: str
    at: float  # seconds since the epoch
    owner: str = ""
    image_version: str = ""
    size_mib: int = 0  # on the host's disk
    folder: str = ""  # empty where there is none


@dataclass(frozen=True)
class OldDisk:
    """A machine's root disk of an older image, kept after an upgrade."""

    machine: str
    image_version: str
    at: float  # seconds since the epoch: when it was replaced
    size_mib: int  # on the host's disk
    path: str


@dataclass(frozen=True)
class Allowance:
    """What one trainee may take of the host's disk (`vmlab.volumes.allowance`)."""

    volume_mib: int = 1024  # a volume of the lab's
    total_mib: int = 0  # everything together; 0: it follows from the sizes of the disks
    nodes: int = 0  # further machines, each with a system disk
    node_volumes_mib: int = 0  # the volumes of those, together


class DiskKind(StrEnum):
    """The kinds of things on the host's disk that belong to a trainee."""

    VOLUME = "volume"  # with its snapshots
    DELETED = "deleted"  # a volume in quarantine
    COPY = "copy"  # of a volume, for a download or to be looked into
    MACHINE = "machine"  # its system disk, and what is beside it
    SHOWN = "shown"  # a copy of a snapshot that is plugged into the machine
    OLD_DISK = "old_disk"  # a system disk of an older image
    ASIDE = "aside"  # a machine that was replaced


@dataclass(frozen=True)
class DiskPart:
    """Something on the host's disk that belongs to one trainee."""

    kind: DiskKind
    owner: str  # empty: unknown
    name: str  # of the volume or the machine
    path: str
    taken_mib: int
    most_mib: int  # what it may grow to on its own
    at: float = 0.0  # seconds since the epoch: when it was put away


@dataclass(frozen=True)
class Features:
    """What a provider can do, as data."""

    name: str
    console: bool = True
    ssh: bool = True
    images: bool = True  # machines start from images of `vmlab image build`
    accelerator: str = ""  # what runs guest code, where there is a choice
    style: str = "auto"  # how machines are started, where somebody chose it


class VolumeState(StrEnum):
    """What a volume does."""

    FREE = "free"
    ATTACHED = "attached"  # to one machine, `Volume.holder`
    QUARANTINED = "quarantined"  # deleted; can be brought back until `Volume.purge_after`


@dataclass(frozen=True)
class Volume:
    """One volume as the registry knows it. Times are seconds since the epoch."""

    name: str
    owner: str = ""  # hub user name; empty for a file that an older VMLab made
    server: str = ""
    size_mib: int = 0  # what the trainee may fill
    created: float = 0.0
    holder: str = ""  # the machine that it is attached to
    held_since: float = 0.0
    quarantined_at: float | None = None
    purge_after: float | None = None
    needs_grow: bool = False  # the file system in it is smaller than the volume

    @property
    def state(self) -> VolumeState:
        """What it does."""
        if self.quarantined_at is not None:
            return VolumeState.QUARANTINED
        return VolumeState.ATTACHED if self.holder else VolumeState.FREE
