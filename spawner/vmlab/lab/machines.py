"""The machines of a lab: [machine], [[node]] and [server] of lab.toml."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from vmlab.lab.start_order import DESK, SERVER, Section, settle_order
from vmlab.lab.toml_errors import Table, did_you_mean, show
from vmlab.model import Allowance, Bandwidth

NAME_PATTERN: Final = r"[a-z][a-z0-9-]{0,39}"
NAME_RULE: Final = "1 to 40 small letters, digits and dashes, a letter first"
MAX_NODES: Final = 50

_NODE_PATTERN: Final = r"[a-z][a-z0-9]{0,11}"  # without a dash: see `vmlab.names.node_name`
_NODE_RULE: Final = "1 to 12 small letters and digits, a letter first"
_COMMAND_PATTERN: Final = r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*"
_HOST_PATTERN: Final = (
    r"(?=.{3,253}\Z)(?:\*\.)?"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
)
_HOST_RULE: Final = (
    'names such as "deb.debian.org", in small letters, or "*.debian.org" for all names below it'
)
_MIB_PER_UNIT: Final = {"M": 1, "G": 1024}


class HomePlace(StrEnum):
    """Where a trainee's home folder is: the words of lab.toml."""

    VOLUME = "volume"  # on a volume of the trainee's own
    SERVER = "server"  # in the trainee's own folder on the event's file server


@dataclass(frozen=True)
class Readiness:
    """When a machine is ready for those that come after it: a port answers, or a command ends well.

    Exactly one of `port` and `command` is given.
    """

    port: int = 0  # TCP, of whatever address of the machine
    command: str = ""  # for the machine's shell, as root
    within_s: float = 300.0  # from the moment at which its agent has set it up


@dataclass(frozen=True)
class MachineChoice:
    """[machine]: the trainee's desk."""

    image: str = "desk"
    memory_mib: int = 512
    cpus: int = 1
    internet: bool = False
    allowed: tuple[str, ...] = ()  # the only names on the internet that it reaches; none: all
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    keep_old_days: int = 14  # how long the disk of an older image is kept after an upgrade
    after: tuple[str, ...] = ()  # machines that are ready before it is started


@dataclass(frozen=True)
class NodeChoice:
    """One further machine of each trainee; [[node]] with a count describes several."""

    name: str = "node"  # "node1" where there is a count
    image: str = "desk"
    memory_mib: int = 512
    cpus: int = 1
    internet: bool = False
    allowed: tuple[str, ...] = ()
    volume_mib: int = 0  # 0: it has none
    after: tuple[str, ...] = ()  # names of single machines
    ready: Readiness | None = None  # None: when its agent has set it up


@dataclass(frozen=True)
class ServerChoice:
    """[server]: one machine that all trainees of an event share; it starts before theirs."""

    image: str = "server"
    memory_mib: int = 512
    cpus: int = 1
    internet: bool = False
    allowed: tuple[str, ...] = ()
    volume_mib: int = 0  # 0: it has none
    ready: Readiness | None = None
    files: bool = False  # whether it keeps files for the trainees


@dataclass(frozen=True)
class MachineChoices:
    """All machines of a lab."""

    desk: MachineChoice = field(default_factory=MachineChoice)
    nodes: tuple[NodeChoice, ...] = ()
    server: ServerChoice | None = None


def make_allowance(nodes: Collection[NodeChoice], volume_mib: int, total_mib: int) -> Allowance:
    """Return what one trainee with these nodes may take of the host's disk.

    Args:
        volume_mib: size of the home folder's volume.
        total_mib: all together; 0: by the disks' sizes.
    """
    volumes_mib = sum(node.volume_mib for node in nodes)
    return Allowance(volume_mib, total_mib, len(nodes), volumes_mib)


def read_machines(root: Table, images: Collection[str] | None) -> MachineChoices:
    """Read the three kinds of sections, each node as a machine of its own, and their order.

    Args:
        images: the valid names of images; None: any well-formed name.
    """
    desk = root.table("machine")
    sections = [Section(desk, DESK, (DESK,), _read_after(desk))]
    server = None
    if root.has("server"):
        table = root.table("server")
        server = _read_server(table, images)
        sections.append(Section(table, SERVER, (SERVER,)))
    alike: list[tuple[Section, NodeChoice]] = []
    for table in root.tables("node"):
        section = _read_section(table)
        alike.append((section, _read_node(table, images)))
        sections.append(section)
    if sum(len(section.machines) for section, _ in alike) > MAX_NODES:
        root.mistake("node", f"more than {MAX_NODES} machines for each trainee")
        alike = []
    after = settle_order(sections)
    return MachineChoices(
        replace(_read_desk(desk, images), after=after[DESK]),
        tuple(
            replace(node, name=name, after=after[name])
            for section, node in alike
            for name in section.machines
        ),
        server,
    )


def _read_desk(table: Table, images: Collection[str] | None) -> MachineChoice:
    internet, allowed = _read_internet(table)
    return MachineChoice(
        image=_read_image(table, "desk", images),
        memory_mib=_read_memory(table),
        cpus=_read_cpus(table),
        internet=internet,
        allowed=allowed,
        bandwidth=_read_bandwidth(table),
        keep_old_days=table.whole("keep_old", 14, minimum=0, maximum=3650),
    )


def _read_section(table: Table) -> Section:
    """Read the names of a node's section: with a count they are numbered, even if it is 1."""
    name = table.text("name", "node", pattern=_NODE_PATTERN, allowed=_NODE_RULE)
    machines: tuple[str, ...] = (name,)
    if table.has("count"):
        count = table.whole("count", 1, minimum=1, maximum=MAX_NODES)
        machines = tuple(f"{name}{number}" for number in range(1, count + 1))
    return Section(table, name, machines, _read_after(table))


def _read_node(table: Table, images: Collection[str] | None) -> NodeChoice:
    internet, allowed = _read_internet(table)
    return NodeChoice(
        image=_read_image(table, "desk", images),
        memory_mib=_read_memory(table),
        cpus=_read_cpus(table),
        internet=internet,
        allowed=allowed,
        volume_mib=_read_volume(table),
        ready=_read_ready(table),
    )


def _read_server(table: Table, images: Collection[str] | None) -> ServerChoice:
    if table.has("after"):
        table.mistake(
            "after",
            "all trainees share the server, so it waits for nobody's machine; to have another "
            f'machine wait for it, write after = ["{SERVER}"] there',
        )
    internet, allowed = _read_internet(table)
    return ServerChoice(
        image=_read_image(table, SERVER, images),
        memory_mib=_read_memory(table),
        cpus=_read_cpus(table),
        internet=internet,
        allowed=allowed,
        volume_mib=_read_volume(table),
        ready=_read_ready(table),
        files=_read_files(table),
    )


def _read_image(table: Table, default: str, images: Collection[str] | None) -> str:
    image = table.text("image", default, pattern=NAME_PATTERN, allowed=NAME_RULE)
    if images is not None and image not in images:
        table.mistake("image", f"no recipe for image {show(image)}{did_you_mean(image, images)}")
    return image


def _read_memory(table: Table) -> int:
    return read_size(table, "memory", default="512M", minimum="256M", maximum="256G")


def _read_cpus(table: Table) -> int:
    return table.whole("cpus", 1, minimum=1, maximum=64)


def _read_internet(table: Table) -> tuple[bool, tuple[str, ...]]:
    """Read whether a machine reaches the internet, and the only names there; none: all."""
    if not isinstance(table.raw("internet"), list):
        return table.flag("internet", default=False), ()
    names = table.texts("internet", pattern=_HOST_PATTERN, allowed=_HOST_RULE)
    return bool(names), tuple(dict.fromkeys(names))


def _read_volume(table: Table) -> int:
    """Read the size of a volume that a machine need not have; 0: it has none."""
    if not table.has("volume"):
        return 0
    return read_size(table, "volume", default="1G", minimum="64M", maximum="4096G")


def _read_files(table: Table) -> bool:
    files = table.flag("files", default=False)
    if files and not table.has("volume"):
        table.mistake("files", 'files need a volume: write volume = "20G" in this section')
    return files


def _read_after(table: Table) -> tuple[str, ...]:
    return table.texts("after", allowed="names of machines between quotes")


def _read_ready(table: Table) -> Readiness | None:
    if not table.has("ready"):
        return None
    ready = table.table("ready")
    found = Readiness(
        port=ready.whole("port", 0, minimum=1, maximum=65535),
        command=ready.text(
            "command", "", pattern=_COMMAND_PATTERN, allowed="one line for the machine's shell"
        ),
        within_s=ready.number("within", Readiness.within_s, minimum=1, maximum=3600),
    )
    if ready.has("port") == ready.has("command"):
        table.mistake(
            "ready", 'allowed: { port = 22 } or { command = "..." }, each also with within = 300'
        )
    return found


def _read_bandwidth(table: Table) -> Bandwidth:
    default = Bandwidth()
    return Bandwidth(
        disk_mib_s=table.whole("disk_speed", default.disk_mib_s, minimum=0, maximum=100_000),
        disk_iops=table.whole("disk_iops", default.disk_iops, minimum=0, maximum=10_000_000),
        network_mbit_s=table.whole(
            "network_speed", default.network_mbit_s, minimum=0, maximum=1_000_000
        ),
    )


def read_size(table: Table, key: str, *, default: str, minimum: str, maximum: str) -> int:
    """Read a size such as "512M" or "2G"; return it in MiB."""
    allowed = f'a whole number with M or G between quotes, from "{minimum}" to "{maximum}"'
    written = table.text(key, default, pattern=r"[0-9]{1,6}[MG]", allowed=allowed)
    size_mib = _size_mib(written)
    if not _size_mib(minimum) <= size_mib <= _size_mib(maximum):
        table.mistake(key, f"{show(written)} is out of range; allowed: {allowed}")
    return size_mib


def _size_mib(text: str) -> int:
    return int(text[:-1]) * _MIB_PER_UNIT[text[-1]]
