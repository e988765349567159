"""Networks of events: what machines ask for, and what a keeper left to the next one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fuzz.target import check, target
from vmlab.model import Card, NetworkSpec
from vmlab.providers.qemu.network.dns import make_question, read_addresses
from vmlab.providers.qemu.network.layout import Member, find_clash, read_record, record_as_json
from vmlab.providers.qemu.network.names import Names, answer
from vmlab.providers.qemu.network.rules import make_members, make_table
from vmlab.providers.qemu.process.allowed import choose_open, make_opening

_PLAIN = 'abcdefghijklmnopqrstuvwxyz0123456789_ .,:{}"\n'
_NETWORK = "vmlab.providers.qemu.network"
_FARM = NetworkSpec("farm", IPv4Network("10.77.0.0/16"))
_ASKER = IPv4Address("10.77.1.1")
_CARD = Card(
    _FARM, "02:00:0a:4d:01:01", IPv4Interface("10.77.1.1/16"), "t01", ("desk-t01",), ("desk",)
)
_NAMES = Names.of(_FARM.addresses, [Member("desk-t01", _CARD)])


@target(
    "name-question",
    parsers=(f"{_NETWORK}.names:answer", f"{_NETWORK}.dns:read_question",
             f"{_NETWORK}.dns:_read_name", f"{_NETWORK}.names:_look_up_address"),
    is_text=False,
)  # fmt: skip
def name_question(data: bytes) -> None:
    reply = answer(data, _ASKER, _NAMES)
    check(reply is None or reply[:2] == data[:2], "an answer to another question")
    check(reply is None or len(reply) <= len(data) + 100, "far more than was asked")


@target(
    "name-answer", ValueError,
    parsers=(f"{_NETWORK}.dns:read_addresses", f"{_NETWORK}.dns:_skip_name"),
    is_text=False,
)  # fmt: skip
def name_answer(data: bytes) -> None:
    _, addresses = read_addresses(data, make_question(0x1267, "deb.debian.org"))
    check(len(addresses) == len(set(addresses)), "an address twice")
    opened = choose_open(addresses)
    check(not any(each.is_private or each.is_loopback for each in opened), "somebody's own")
    if opened:
        check(set(make_opening(opened)) <= set(_PLAIN), "what is no element of a set")


@target("network-record", ValueError, parsers=(f"{_NETWORK}.layout:read_record",))
def network_record(data: bytes) -> None:
    spec, members = read_record(data)
    check(read_record(record_as_json(spec, members)) == (spec, members), "another record")
    make_table(spec)
    here: list[Member] = []
    for member in members:
        if not find_clash(member, here):
            here.append(member)
    rules = make_members(here)
    check(all(len(each.interface) <= 15 for each in here), "a name too long for the kernel")
    check(not set(rules) - set(_PLAIN), "what is no element of a set")
