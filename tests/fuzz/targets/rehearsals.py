"""What is rehearsed: its description, what machines say of themselves, and user data."""

from __future__ import annotations

from pathlib import Path

from fuzz.target import check, check_text, target
from vmlab.errors import ConfigError
from vmlab.lab.toml_errors import parse_toml
from vmlab.rehearsal.description import Host, Package, Port, Relation, read_description
from vmlab.rehearsal.differences import find_differences
from vmlab.rehearsal.inventory import make_question, parse_answer
from vmlab.rehearsal.report import Report, make_markdown
from vmlab.rehearsal.versions import compare_versions
from vmlab_guest.user_data import UserDataError, parse_user_data

_ROOM = "vmlab.rehearsal"
HOST = Host(
    ("node1",),
    packages=(Package("gcc", Relation.AT_LEAST, "4:12"), Package("make", Relation.SAME, "4.3")),
    services=("ssh",),
    ports=(Port("tcp", 22),),
)


@target("rehearsal-toml", ConfigError, parsers=(f"{_ROOM}.description:read_description",))
def rehearsal_toml(data: bytes) -> None:
    file = parse_toml(data.decode("utf-8", "replace"), "rehearsal.toml")
    found = read_description(file, Path("/lab"), ("desk", "node1", "node2"))
    file.finish()
    for host in found.hosts:
        check("\0" not in make_question(host), host)
        check(all(copy.target.startswith("/") for copy in host.copies), host)
    check_text(*(each.name for each in found.checks))


@target(
    "inventory",
    parsers=(f"{_ROOM}.inventory:parse_answer", f"{_ROOM}.versions:compare_versions"),
    most_bytes=8 * 1024,
)
def inventory(data: bytes) -> None:
    found = parse_answer(data.decode("utf-8", "replace"))
    differences = find_differences("node1", "node1.t01", 1, HOST, found)
    page = make_markdown(Report("farm", "now", 1.0, differences=differences))
    check_text(*page.split("\n"))
    for version in found.packages.values():
        check(compare_versions(version, version) == 0, version)


@target("user-data", UserDataError, parsers=("vmlab_guest.user_data:parse_user_data",))
def user_data(data: bytes) -> None:
    wanted = parse_user_data(data)
    check(all(0 <= file.mode <= 0o7777 for file in wanted.files), wanted)
    check(all(str(file.path).startswith("/") for file in wanted.files), wanted)
    check(not any(isinstance(command, str) and not command for command in wanted.commands), wanted)
