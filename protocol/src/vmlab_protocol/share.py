"""The file server of an event: who has which folder on it, and where a machine finds them. Pure.

On the server's volume, which is mounted at `ROOT`:

    own/FOLDER     of one trainee: read and written by that trainee's machines, nobody else's
    drop/FOLDER    where a trainee hands things in: they write and cannot list, trainers read all
    shared         read by everybody, written by trainers

A `Roster` says who may what; the hub sends it to the server (`serve`), docs/protocols.md, section
1, shows the form. A `Share` in a machine's seed says where its own folders are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from vmlab_protocol.errors import FormatError

ROOT = "/srv"
"""Where the server's volume is mounted: only what is in it is exported, never itself."""

NFS_PORT = 2049

MAX_SHARERS = 1000
MAX_ADDRESSES = 64
"""Of one sharer."""

MAX_QUOTA_MIB = 2**31
_MAX_SERIAL = 2**53
_FOLDER = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Sharer:
    """Somebody with a folder of their own."""

    folder: str  # a name, not a path
    addresses: tuple[IPv4Address, ...]  # of that person's machines
    quota_mib: int  # of what is in the own folder and handed in, together
    is_trainer: bool = False  # writes what is shared, reads what was handed in; hands nothing in


@dataclass(frozen=True)
class Roster:
    """Who may what on the file server."""

    serial: int  # a later roster has a higher one
    readers: IPv4Network  # who reads what is shared: the event's machines
    shared_quota_mib: int
    sharers: tuple[Sharer, ...] = ()


@dataclass(frozen=True)
class Share:
    """A machine's part of the file server, as its seed tells it."""

    server: IPv4Address
    folder: str
    is_trainer: bool = False
    is_home: bool = False  # the own folder is the home of the machine's trainee


def own_path(folder: str) -> str:
    """Return where on the server this person's own files are."""
    return f"{ROOT}/own/{folder}"


def drop_path(folder: str = "") -> str:
    """Return where on the server this person hands things in; without a name: where all do."""
    return f"{ROOT}/drop/{folder}" if folder else f"{ROOT}/drop"


SHARED_PATH = f"{ROOT}/shared"


def roster_json(roster: Roster) -> dict[str, Any]:
    """Return the roster as it travels, without the message's type."""
    return {
        "serial": roster.serial,
        "readers": str(roster.readers),
        "shared_quota_mib": roster.shared_quota_mib,
        "sharers": [
            {
                "folder": sharer.folder,
                "addresses": [str(address) for address in sharer.addresses],
                "quota_mib": sharer.quota_mib,
                "is_trainer": sharer.is_trainer,
            }
            for sharer in roster.sharers
        ],
    }


def parse_roster(table: Mapping[str, Any]) -> Roster:
    """Return the roster in a message; unknown fields are ignored.

    Raises:
        FormatError: a field breaks the format, or two people have one folder or one address.
    """
    rows = table.get("sharers")
    if not isinstance(rows, list) or len(rows) > MAX_SHARERS:
        raise FormatError(f"sharers: expected a list of at most {MAX_SHARERS}")
    sharers = tuple(_sharer(row, f"sharers[{at}]") for at, row in enumerate(rows))
    _refuse_twice("folder", [sharer.folder for sharer in sharers])
    _refuse_twice("address", [address for sharer in sharers for address in sharer.addresses])
    return Roster(
        serial=_whole(table, "serial", 1, _MAX_SERIAL),
        readers=_network(table.get("readers")),
        shared_quota_mib=_whole(table, "shared_quota_mib", 1, MAX_QUOTA_MIB),
        sharers=sharers,
    )


def share_json(share: Share) -> dict[str, Any]:
    """Return the share as it travels in a seed."""
    server, folder = str(share.server), share.folder
    return {
        "server": server,
        "folder": folder,
        "is_trainer": share.is_trainer,
        "is_home": share.is_home,
    }


def parse_share(value: object) -> Share:
    """Return the share in a seed; unknown fields are ignored.

    Raises:
        FormatError: a field breaks the format.
    """
    if not isinstance(value, dict):
        raise FormatError(f"share: expected an object, got {type(value).__name__}")
    return Share(
        server=_address(value.get("server"), "share.server"),
        folder=_folder(value.get("folder"), "share.folder"),
        is_trainer=value.get("is_trainer") is True,
        is_home=value.get("is_home") is True,
    )


def is_folder(value: object) -> bool:
    """Return whether this may be the name of somebody's folder."""
    return isinstance(value, str) and _FOLDER.fullmatch(value) is not None


def _sharer(value: object, where: str) -> Sharer:
    if not isinstance(value, dict):
        raise FormatError(f"{where}: expected an object, got {type(value).__name__}")
    rows = value.get("addresses")
    if not isinstance(rows, list) or len(rows) > MAX_ADDRESSES:
        raise FormatError(f"{where}.addresses: expected a list of at most {MAX_ADDRESSES}")
    return Sharer(
        folder=_folder(value.get("folder"), f"{where}.folder"),
        addresses=tuple(_address(row, f"{where}.addresses") for row in rows),
        quota_mib=_whole(value, "quota_mib", 1, MAX_QUOTA_MIB),
        is_trainer=value.get("is_trainer") is True,
    )


def _refuse_twice(what: str, values: list[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise FormatError(f"sharers: two have the {what} {value}")
        seen.add(value)


def _folder(value: object, where: str) -> str:
    if isinstance(value, str) and _FOLDER.fullmatch(value):
        return value
    raise FormatError(f"{where}: expected a name such as 'ada', got {repr(value)[:60]}")


def _whole(table: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = table.get(name)
    if type(value) is int and least <= value <= most:
        return value
    raise FormatError(f"{name}: expected a whole number from {least}, got {repr(value)[:40]}")


def _address(value: object, where: str) -> IPv4Address:
    try:
        if isinstance(value, str):  # `ipaddress` would also take integers and bytes
            return IPv4Address(value)
    except ValueError:
        pass
    raise FormatError(f"{where}: expected an IPv4 address, got {repr(value)[:40]}")


def _network(value: object) -> IPv4Network:
    try:
        if isinstance(value, str):
            return IPv4Network(value)
    except ValueError:
        pass
    raise FormatError(f"readers: expected a range such as '10.77.0.0/16', got {repr(value)[:40]}")
