"""What an event's network looks like from inside, and its facts as the keeper gets them. Pure.

Standard library only, as all that the keeper runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from vmlab.model import Card, Meeting, NetworkSpec

BRIDGE = "br0"
BRIDGE_MAC = "06:00:00:00:00:01"
"""Of no machine: theirs begin with 02."""

ZONE = "event"
"""A name is also known as NAME.event, for programs that complete names."""

_MAC = re.compile(r"02(:[0-9a-f]{2}){5}")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL}){{0,3}}")
_MACHINE = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_LARGEST_PREFIX = 30  # two addresses for hosts: the names' and one machine's


@dataclass(frozen=True)
class Member:
    """A machine that has, or had, a port in the network."""

    machine: str
    card: Card

    @property
    def interface(self) -> str:
        """Its port's name; of its address, so that no two have the same."""
        card = self.card
        return f"m{int(card.address.ip) - int(card.network.addresses.network_address):x}"

    @property
    def outer(self) -> str:
        """The far end of its port, where that is a cable (pump.py)."""
        return f"o{self.interface[1:]}"


def names_address(spec: NetworkSpec) -> IPv4Address:
    """Return where the network's machines ask for names: the first address for hosts."""
    return spec.addresses[1]


def find_mistake(spec: NetworkSpec) -> str:
    """Return why there can be no such network; empty: there can."""
    if spec.addresses.prefixlen > _LARGEST_PREFIX:
        return f"{spec.addresses} has no room for machines"
    if spec.addresses.is_loopback or spec.addresses.is_multicast:
        return f"{spec.addresses} is not a network for machines"
    return ""


def find_clash(new: Member, members: list[Member]) -> str:
    """Return why this machine cannot be in the network beside those; empty: it can."""
    card, spec = new.card, new.card.network
    address = card.address.ip
    if address not in spec.addresses or address in {
        spec.addresses.network_address,
        spec.addresses.broadcast_address,
        names_address(spec),
    }:
        return f"{address} is not an address for machines of {spec.addresses}"
    for other in members:
        if other.machine == new.machine:
            continue
        if other.card.address.ip == address:
            return f"{other.machine} has its address {address}"
        if other.card.mac == card.mac:
            return f"{other.machine} has its card {card.mac}"
        if shared := set(_all_names(card)) & set(other.card.names):
            return f"{other.machine} has its name {min(shared)}"
        if card.trainee == other.card.trainee and (
            shared := set(_all_names(card)) & set(_all_names(other.card))
        ):
            return f"{other.machine} of the same trainee has its name {min(shared)}"
    return ""


def _all_names(card: Card) -> tuple[str, ...]:
    return (*card.names, *card.own_names)


# -- as JSON: from the hub to the keeper, and from a keeper to its successor --------------------------


def spec_as_json(spec: NetworkSpec) -> dict[str, Any]:
    """Return what `read_spec` reads."""
    return {
        "name": spec.name,
        "addresses": str(spec.addresses),
        "meeting": spec.meeting.value,
    }


def read_spec(table: Any) -> NetworkSpec:
    """Return the network that is described.

    Raises:
        ValueError, KeyError, TypeError: it is not one.
    """
    return NetworkSpec(
        _matching(_MACHINE, table["name"]),
        IPv4Network(table["addresses"]),
        Meeting(table["meeting"]),
    )


def member_as_json(member: Member) -> dict[str, Any]:
    """Return what `read_member` reads, with the network."""
    card = member.card
    return {
        "machine": member.machine,
        "mac": card.mac,
        "address": str(card.address),
        "trainee": card.trainee,
        "names": list(card.names),
        "own_names": list(card.own_names),
    }


def read_member(table: Any, network: NetworkSpec) -> Member:
    """Return the member of this network that is described; raises as `read_spec`."""
    card = Card(
        network=network,
        mac=_matching(_MAC, table["mac"]),
        address=IPv4Interface(table["address"]),
        trainee=str(table["trainee"]),
        names=tuple(_matching(_NAME, name) for name in table["names"]),
        own_names=tuple(_matching(_NAME, name) for name in table["own_names"]),
    )
    return Member(_matching(_MACHINE, table["machine"]), card)


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not of the form {pattern.pattern}")
    return text
