"""lab.toml: what one trainee gets, as frozen facts.

Every mistake in the file is named with file, line, allowed values and the nearest valid name, all
of them at once. A key that is left out has the default of the class here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from vmlab.lab.branding import Branding, logo_problem, read_branding
from vmlab.lab.event_network import NetworkChoice, read_network
from vmlab.lab.hub_address import HubAddress, read_hub
from vmlab.lab.machines import (
    NAME_PATTERN,
    NAME_RULE,
    HomePlace,
    MachineChoice,
    MachineChoices,
    NodeChoice,
    ServerChoice,
    make_allowance,
    read_machines,
    read_size,
)
from vmlab.lab.provider_options import ProviderChoice, read_provider
from vmlab.lab.toml_errors import Table, TomlFile, load_toml, parse_toml, show
from vmlab.model import Allowance
from vmlab_protocol.notices import Language

USER_NAME_PATTERN: Final = r"[a-z][a-z0-9._-]{0,39}"
USER_NAME_RULE: Final = (
    "1 to 40 small letters, digits, dots, dashes and underscores, a letter first"
)
MAX_TRAINEES: Final = 999
HINT: Final = "the sections of lab.toml are explained in docs/trainer.md"


class Role(StrEnum):
    """What an account is for; the values are the keys of [accounts]."""

    TRAINEE = "trainees"
    TRAINER = "trainers"
    FACILITATOR = "facilitators"
    ADMINISTRATOR = "administrators"


@dataclass(frozen=True)
class IdleChoice:
    """[idle]: machines in which nobody works."""

    stop_after_s: float = 0.0  # 0: they are not stopped

    @property
    def warn_s(self) -> float:
        """How long ahead a trainee is warned: ten minutes, or half of a shorter time."""
        return min(600.0, self.stop_after_s / 2)


@dataclass(frozen=True)
class SshChoice:
    """[ssh]: SSH from trainees' own computers."""

    enabled: bool = True  # through the hub's own address
    port: int = 0  # a port of SSH's own as well, at the hub's address; 0: none


def make_trainee_names(count: int) -> tuple[str, ...]:
    """Return trainee01, trainee02, ...; a larger count keeps the names of a smaller one."""
    return tuple(f"trainee{number:02d}" for number in range(1, count + 1))


@dataclass(frozen=True)
class Accounts:
    """[accounts]: who may log in, and as what."""

    trainees: tuple[str, ...] = make_trainee_names(5)
    trainers: tuple[str, ...] = ("trainer",)
    facilitators: tuple[str, ...] = ("facilitator",)
    administrators: tuple[str, ...] = ("admin",)

    def by_role(self) -> dict[Role, tuple[str, ...]]:
        """Return the names of each role."""
        return {role: getattr(self, role.value) for role in Role}

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(name for names in self.by_role().values() for name in names)


@dataclass(frozen=True)
class Lab:
    """What one trainee gets, and who takes part."""

    file: Path
    name: str = "lab"
    language: Language = Language.EN
    course: Path | None = None  # absolute
    machine: MachineChoice = field(default_factory=MachineChoice)
    nodes: tuple[NodeChoice, ...] = ()  # of each trainee, beside the desk
    server: ServerChoice | None = None  # of the event
    network: NetworkChoice | None = None  # None: each machine is on its own
    volume_mib: int = 1024  # of a home folder, wherever it is
    home: HomePlace = HomePlace.VOLUME
    total_mib: int = 0  # what one trainee may take of the host's disk; 0: by the disks' sizes
    provider: ProviderChoice = field(default_factory=ProviderChoice)
    idle: IdleChoice = field(default_factory=IdleChoice)
    hub: HubAddress = field(default_factory=HubAddress)
    ssh: SshChoice = field(default_factory=SshChoice)
    accounts: Accounts = field(default_factory=Accounts)
    branding: Branding = field(default_factory=Branding)

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports on which it listens."""
        return (*self.hub.ports, self.ssh.port) if self.ssh.port else self.hub.ports

    @property
    def allowance(self) -> Allowance:
        """What one trainee may take of the host's disk."""
        volume_mib = 0 if self.home is HomePlace.SERVER else self.volume_mib
        return make_allowance(self.nodes, volume_mib, self.total_mib)

    @property
    def has_internet(self) -> bool:
        """Whether any of its machines reaches the internet."""
        others = (*self.nodes, *((self.server,) if self.server else ()))
        return self.machine.internet or any(other.internet for other in others)

    @property
    def has_allow_list(self) -> bool:
        """Whether any of its machines reaches some names on the internet only."""
        others = (*self.nodes, *((self.server,) if self.server else ()))
        return bool(self.machine.allowed) or any(other.allowed for other in others)

    @property
    def images(self) -> tuple[str, ...]:
        """The images that its machines start from, the desk's first."""
        nodes = (node.image for node in self.nodes)
        server = (self.server.image,) if self.server else ()
        return tuple(dict.fromkeys((self.machine.image, *nodes, *server)))


def load_lab(path: Path) -> Lab:
    """Read a lab.toml; the course and the image's recipe must be there.

    Raises:
        ConfigError: the file cannot be read or has mistakes; names all of them.
    """
    path = path.absolute()
    file = load_toml(path)
    recipes = path.parent / "images" / "recipes"
    images = {recipe.parent.name for recipe in recipes.glob("*/recipe.toml")}
    lab = _read_lab(file, path, images or None)
    if lab.course is not None and not (lab.course / "course.toml").is_file():
        file.mistake(("lab", "course"), f"there is no course.toml in {lab.course}")
    if lab.branding.logo is not None and (problem := logo_problem(lab.branding.logo)):
        file.mistake(("lab", "logo"), problem)
    for name in ("certificate", "key"):
        pem = getattr(lab.hub, name)
        if pem is not None and (problem := _reading_problem(pem)):
            file.mistake(("hub", name), f"{pem} cannot be read: {problem}")
    file.finish(hint=HINT)
    return lab


def parse_lab(text: str, path: Path, *, images: Collection[str] | None = None) -> Lab:
    """Read the text of a lab.toml without looking at the disk.

    Args:
        path: what messages call the file; the course is relative to its folder.
        images: the valid names of images; None: any well-formed name.

    Raises:
        ConfigError: it has mistakes; names all of them.
    """
    file = parse_toml(text, str(path))
    lab = _read_lab(file, path, images)
    file.finish(hint=HINT)
    return lab


def _reading_problem(file: Path) -> str:
    try:
        with file.open("rb"):
            return ""
    except OSError as e:
        return e.strerror or str(e)


def _read_lab(file: TomlFile, path: Path, images: Collection[str] | None) -> Lab:
    root = file.root()
    lab = root.table("lab")
    volume = root.table("volume")
    allowance = _read_allowance(volume)
    course = lab.text("course", "", pattern=r"[^\0]*", allowed="the folder of a course")
    machines = read_machines(root, images)
    accounts = _read_accounts(root.table("accounts"))
    hub = read_hub(root.table("hub"), path.parent)
    return Lab(
        file=path,
        name=lab.text("name", "lab", pattern=NAME_PATTERN, allowed=NAME_RULE),
        language=lab.choice("language", Language, Language.EN),
        course=path.parent / course if course else None,
        machine=machines.desk,
        nodes=machines.nodes,
        server=machines.server,
        network=_read_network(root, machines, accounts),
        volume_mib=allowance.volume_mib,
        home=_read_home(volume, machines),
        total_mib=allowance.total_mib,
        provider=read_provider(root.table("provider")),
        idle=_read_idle(root.table("idle")),
        hub=hub,
        ssh=_read_ssh(root.table("ssh"), hub),
        accounts=accounts,
        branding=read_branding(lab, path.parent),
    )


def _read_network(
    root: Table, machines: MachineChoices, accounts: Accounts
) -> NetworkChoice | None:
    """Read the event's network: machines that are to meet have one without a section, too."""
    if not (root.has("network") or machines.nodes or machines.server):
        return None
    return read_network(
        root.table("network"), trainees=len(accounts.names()), machines=1 + len(machines.nodes)
    )


def _read_allowance(table: Table) -> Allowance:
    size_mib = read_size(table, "size", default="1G", minimum="64M", maximum="4096G")
    total_mib = 0
    if table.raw("total") is not None:
        total_mib = read_size(table, "total", default="8G", minimum="128M", maximum="65536G")
        if total_mib <= size_mib:
            table.mistake("total", "it must be more than size: the system disk counts too")
    return Allowance(size_mib, total_mib)


def _read_home(table: Table, machines: MachineChoices) -> HomePlace:
    home = table.choice("home", HomePlace, HomePlace.VOLUME)
    if home is HomePlace.SERVER and not (machines.server and machines.server.files):
        table.mistake(
            "home",
            'homes on the server need a section [server] with volume = "20G" and files = true',
        )
    return home


def _read_idle(table: Table) -> IdleChoice:
    return IdleChoice(60 * table.number("stop_after", 0, minimum=0, maximum=10080))


def _read_ssh(table: Table, hub: HubAddress) -> SshChoice:
    choice = SshChoice(
        enabled=table.flag("enabled", default=True),
        port=table.whole("port", 0, minimum=0, maximum=65535),
    )
    if choice.port in hub.ports:
        table.mistake("port", f"{choice.port} is the hub's own port already")
    if choice.port and not choice.enabled:
        table.mistake("port", "it is of no use while enabled = false")
    return choice


def _read_accounts(table: Table) -> Accounts:
    default = Accounts()
    names = {Role.TRAINEE: _read_trainees(table, default.trainees)} | {
        role: table.texts(
            role, getattr(default, role), pattern=USER_NAME_PATTERN, allowed=USER_NAME_RULE
        )
        for role in (Role.TRAINER, Role.FACILITATOR, Role.ADMINISTRATOR)
    }
    seen: dict[str, Role] = {}
    for role, role_names in names.items():
        for name in role_names:
            if name in seen:
                where = "twice" if seen[name] is role else f"in {seen[name]} too"
                table.mistake(role, f"{show(name)} is {where}; a name may be in one list only")
            seen[name] = role
    return Accounts(**{role.value: role_names for role, role_names in names.items()})


def _read_trainees(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    key = Role.TRAINEE.value
    value = table.raw(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return make_trainee_names(table.whole(key, minimum=1, maximum=MAX_TRAINEES))
    if isinstance(value, list) and len(value) > MAX_TRAINEES:
        table.mistake(key, f"{len(value)} names; allowed: at most {MAX_TRAINEES}")
        return default
    if value is not None and not isinstance(value, list):
        table.mistake(
            key,
            f"{show(value)} is not allowed; allowed: a number from 1 to {MAX_TRAINEES}, "
            "or a list of names between [ and ]",
        )
        return default
    return table.texts(key, default, pattern=USER_NAME_PATTERN, allowed=USER_NAME_RULE)


def is_user_name(name: str) -> bool:
    """Tell whether an account may have this name."""
    return re.fullmatch(USER_NAME_PATTERN, name) is not None
