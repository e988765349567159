"""rehearsal.toml: the planned installation, beside the lab.toml of its machines.

What each machine is to have (packages, services, ports), how it gets it (files, cloud-init's user
data, an Ansible playbook), and the checks that tell whether all of it works together.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from vmlab.lab.toml_errors import Table, TomlFile, did_you_mean, load_toml, show

FILE: Final = "rehearsal.toml"
HINT: Final = "rehearsal.toml is explained in docs/rehearsal.md"
ROOT: Final = "root"

_PACKAGE = re.compile(r"([a-z0-9][a-z0-9+.-]{1,100})(?: (=|>=) ([A-Za-z0-9.+:~-]{1,100}))?")
_PACKAGE_RULE: Final = '"NAME", "NAME = VERSION" or "NAME >= VERSION"'
_SERVICE: Final = r"[A-Za-z0-9][A-Za-z0-9@._:-]{0,99}"
_PORT = re.compile(r"(tcp|udp)/([0-9]{1,5})")
_MAX_PORT: Final = 65535
_USER: Final = r"[a-z][a-z0-9_-]{0,31}"
_PLACE: Final = r"/[^\0\n]*"
_MAX_COMMAND: Final = 20_000


class Relation(StrEnum):
    """How the version of a package that is there has to be to the one described."""

    ANY = ""
    SAME = "="
    AT_LEAST = ">="


@dataclass(frozen=True)
class Package:
    """A Debian package."""

    name: str
    relation: Relation = Relation.ANY
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.version}".strip()


@dataclass(frozen=True)
class Port:
    """A port at which something listens."""

    protocol: str  # tcp or udp
    number: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.number}"


@dataclass(frozen=True)
class Copy:
    """A file or a folder of the lab's that is brought to a machine."""

    source: Path  # absolute
    target: str  # in the machine: of a file its own name there, of a folder that folder
    owner: str = ROOT


@dataclass(frozen=True)
class Host:
    """What one machine, or several that are alike, is to be."""

    machines: tuple[str, ...]
    copies: tuple[Copy, ...] = ()
    user_data: Path | None = None  # absolute
    packages: tuple[Package, ...] = ()
    services: tuple[str, ...] = ()  # units that are active
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True)
class Playbook:
    """[ansible]: a playbook, run from one of the machines, over SSH, as its trainee."""

    run_from: str
    file: Path  # absolute; its whole folder is brought to that machine
    within_s: float = 1800.0


@dataclass(frozen=True)
class Check:
    """One [[check]]: a command that ends with status 0 when all is well."""

    name: str
    on: str  # a machine
    command: str
    user: str = ROOT
    within_s: float = 60.0


@dataclass(frozen=True)
class Description:
    """All of it."""

    hosts: tuple[Host, ...] = ()
    playbook: Playbook | None = None
    checks: tuple[Check, ...] = ()

    def of(self, machine: str) -> Host:
        """Return what is described of this machine; nothing may be."""
        found = (host for host in self.hosts if machine in host.machines)
        return next(found, Host((machine,)))


def load_description(folder: Path, machines: Collection[str]) -> Description:
    """Read the folder's rehearsal.toml; where there is none, nothing is described.

    Args:
        machines: names of the lab's machines.

    Raises:
        ConfigError: the file has mistakes, or a file that it names is not there; names all.
    """
    path = folder.absolute() / FILE
    if not path.is_file():
        return Description()
    file = load_toml(path)
    description = read_description(file, path.parent, machines)
    for host in description.hosts:
        for copy in host.copies:
            _expect_file(file, copy.source, "[[host]] copy", folders=True)
        if host.user_data is not None:
            _expect_file(file, host.user_data, "[[host]] user_data")
    if description.playbook is not None:
        _expect_file(file, description.playbook.file, "[ansible] playbook")
    file.finish(hint=HINT)
    return description


def read_description(file: TomlFile, folder: Path, machines: Collection[str]) -> Description:
    """Read a parsed rehearsal.toml without looking at the disk; mistakes are noted in `file`."""
    root = file.root()
    hosts = tuple(_read_host(table, folder, machines) for table in root.tables("host"))
    _check_once(file, hosts)
    playbook = _read_playbook(root.table("ansible"), folder, machines)
    checks = tuple(_read_check(table, machines) for table in root.tables("check"))
    return Description(hosts, playbook if root.has("ansible") else None, checks)


def _expect_file(file: TomlFile, path: Path, what: str, *, folders: bool = False) -> None:
    if not (path.is_file() or (folders and path.is_dir())):
        file.mistake((), f"{what}: there is no {'file or folder' if folders else 'file'} {path}")


def _check_once(file: TomlFile, hosts: tuple[Host, ...]) -> None:
    seen: set[str] = set()
    for number, host in enumerate(hosts):
        for name in host.machines:
            if name in seen:
                file.mistake(("host", number, "machines"), f"{show(name)} is described twice")
            seen.add(name)


def _read_host(table: Table, folder: Path, machines: Collection[str]) -> Host:
    named = table.texts("machines", allowed="names of machines between quotes")
    if not named:
        table.mistake("machines", f"missing; allowed: {', '.join(machines)}")
    for name in named:
        _expect_machine(table, "machines", name, machines)
    user_data = table.text("user_data", "")
    packages = [_read_package(table, text) for text in table.texts("packages")]
    ports = [_read_port(table, text) for text in table.texts("ports")]
    return Host(
        named,
        tuple(_read_copy(each, folder) for each in table.tables("copy")),
        folder / user_data if user_data else None,
        tuple(package for package in packages if package),
        table.texts("services", pattern=_SERVICE, allowed="names of systemd's units"),
        tuple(port for port in ports if port),
    )


def _read_copy(table: Table, folder: Path) -> Copy:
    return Copy(
        folder / table.text("from"),
        table.text("to", pattern=_PLACE, allowed="a full path in the machine"),
        _read_user(table, "owner"),
    )


def _read_package(table: Table, text: str) -> Package | None:
    if (found := _PACKAGE.fullmatch(text)) is None:
        table.mistake("packages", f"{show(text)} is not allowed; allowed: {_PACKAGE_RULE}")
        return None
    return Package(found[1], Relation(found[2] or ""), found[3] or "")


def _read_port(table: Table, text: str) -> Port | None:
    found = _PORT.fullmatch(text)
    if found is None or not 0 < int(found[2]) <= _MAX_PORT:
        table.mistake("ports", f'{show(text)} is not allowed; allowed: "tcp/22", "udp/123"')
        return None
    return Port(found[1], int(found[2]))


def _read_playbook(table: Table, folder: Path, machines: Collection[str]) -> Playbook:
    run_from, file = table.text("run_from", ""), table.text("playbook", "")
    if table.has("run_from") or table.has("playbook") or table.has("within"):
        if not (run_from and file):
            table.mistake("playbook", "run_from and playbook belong together")
        if run_from:
            _expect_machine(table, "run_from", run_from, machines)
    within_s = table.number("within", Playbook.within_s, minimum=1, maximum=7200)
    return Playbook(run_from, folder / file, within_s)


def _read_check(table: Table, machines: Collection[str]) -> Check:
    on = table.text("on")
    if on:
        _expect_machine(table, "on", on, machines)
    return Check(
        table.text("name", pattern=r"[^\x00-\x1f\x7f]{1,80}", allowed="up to 80 characters"),
        on,
        table.text("command", max_length=_MAX_COMMAND),
        _read_user(table, "user"),
        table.number("within", Check.within_s, minimum=1, maximum=7200),
    )


def _read_user(table: Table, key: str) -> str:
    return table.text(key, ROOT, pattern=_USER, allowed='the name of a user, as "trainee"')


def _expect_machine(table: Table, key: str, name: str, machines: Collection[str]) -> None:
    if name not in machines:
        message = f"lab.toml has no machine {show(name)}{did_you_mean(name, machines)}"
        table.mistake(key, message)
