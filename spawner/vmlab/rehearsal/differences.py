"""What of a machine is otherwise than described. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vmlab.rehearsal.description import Host, Package, Relation
from vmlab.rehearsal.inventory import Found
from vmlab.rehearsal.versions import compare_versions

ABSENT = "absent"


class Subject(StrEnum):
    """What a difference is about."""

    HOST = "host"
    PACKAGE = "package"
    SERVICE = "service"
    PORT = "port"


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise."""

    machine: str
    subject: Subject
    what: str  # which package, service or port, or what of the host
    described: str
    found: str


def find_differences(
    machine: str, host_name: str, cpus: int, host: Host, found: Found
) -> tuple[Difference, ...]:
    """Return what differs, in the order of the description.

    Args:
        machine: its name in the lab.
        host_name, cpus: as the lab has them.
    """
    return tuple(Difference(machine, *words) for words in _compare(host_name, cpus, host, found))


def _compare(
    host_name: str, cpus: int, host: Host, found: Found
) -> Iterator[tuple[Subject, str, str, str]]:
    if found.host_name != host_name:
        yield Subject.HOST, "name", host_name, found.host_name or ABSENT
    if found.cpus != cpus:
        yield Subject.HOST, "processors", str(cpus), str(found.cpus)
    for package in host.packages:
        version = found.packages.get(package.name, "")
        if not version:
            yield Subject.PACKAGE, package.name, _describe(package), ABSENT
        elif not is_as_described(package, version):
            yield Subject.PACKAGE, package.name, _describe(package), version
    for service in host.services:
        state = found.services.get(service, "unknown")
        if state != "active":
            yield Subject.SERVICE, service, "active", state
    for port in host.ports:
        if str(port) not in found.ports:
            yield Subject.PORT, str(port), "listening", "nobody listens"


def is_as_described(package: Package, version: str) -> bool:
    """Tell whether this version of a package is one that is described."""
    match package.relation:
        case Relation.ANY:
            return True
        case Relation.SAME:
            return compare_versions(version, package.version) == 0
        case Relation.AT_LEAST:
            return compare_versions(version, package.version) >= 0


def _describe(package: Package) -> str:
    match package.relation:
        case Relation.ANY:
            return "installed"
        case Relation.SAME:
            return package.version
        case Relation.AT_LEAST:
            return f"{package.version} or later"
