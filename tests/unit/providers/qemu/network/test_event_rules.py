"""The rules of an event's network as text; tests/qemu_provider shows what they do to frames."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vmlab.model import Card, Meeting, NetworkSpec
from vmlab.providers.qemu.network.layout import Member
from vmlab.providers.qemu.network.rules import Rates, make_members, make_table

FARM = NetworkSpec("farm", IPv4Network("10.77.0.0/16"))


def member(machine: str, trainee: str, address: str, mac: str = "02:00:0a:4d:01:01") -> Member:
    return Member(machine, Card(FARM, mac, IPv4Interface(f"{address}/16"), trainee, (machine,)))


def test_members_are_pinned_to_their_ports_cards_and_addresses():
    text = make_members(
        [
            member("server", "", "10.77.0.20", "02:00:0a:4d:00:14"),
            member("node1-t01", "t01", "10.77.1.2", "02:00:0a:4d:01:02"),
            member("desk-t01", "t01", "10.77.1.1", "02:00:0a:4d:01:01"),
        ]
    )
    assert text == (
        "flush set bridge event pins\n"
        "flush set bridge event cards\n"
        "flush set bridge event shared\n"
        "flush set bridge event relatives\n"
        "flush map bridge event kin\n"
        'add element bridge event pins { "m101" . 02:00:0a:4d:01:01 . 10.77.1.1, '
        '"m102" . 02:00:0a:4d:01:02 . 10.77.1.2, "m14" . 02:00:0a:4d:00:14 . 10.77.0.20 }\n'
        'add element bridge event cards { "m101" . 02:00:0a:4d:01:01, '
        '"m102" . 02:00:0a:4d:01:02, "m14" . 02:00:0a:4d:00:14 }\n'
        'add element bridge event shared { "m14" }\n'
        'add element bridge event relatives { 0x00000002 . "m101", 0x00000002 . "m102", '
        '0x00000001 . "m14" }\n'
        'add element bridge event kin { "m101" : 0x00000002, "m102" : 0x00000002, '
        '"m14" : 0x00000001 }\n'
    )


def test_a_network_without_machines_lets_nobody_send():
    assert "add element" not in make_members([])
    assert make_members([]).count("flush") == 5


@pytest.mark.parametrize("meeting", list(Meeting))
def test_whatever_is_not_named_is_dropped(meeting):
    text = make_table(NetworkSpec("farm", FARM.addresses, meeting))
    hooks = re.findall(r"type filter hook (\w+) priority -?\d+; policy (\w+);", text)
    assert hooks == [("prerouting", "drop"), ("forward", "drop"), ("input", "drop"),
                     ("forward", "drop")]  # fmt: skip


def test_those_who_meet_their_own_only_get_no_further_rule():
    all_meet = make_table(FARM)
    own_meet = make_table(NetworkSpec("farm", FARM.addresses, Meeting.OWN))
    assert "\n    accept\n" in all_meet
    assert "\n    accept\n" not in own_meet
    assert "iifname @shared accept\n    oifname @shared accept" in own_meet


def test_rates_are_in_the_rules():
    text = make_table(FARM, Rates(group_frames=3, group_burst=4, datagram_kbytes=5))
    assert "limit rate over 3/second burst 4 packets" in text
    assert "limit rate over 5 kbytes/second" in text


def test_who_flooded_is_forgotten_by_the_kernel():
    text = make_table(FARM, Rates(remembered_s=7))
    assert "set flooding { type ifname; flags dynamic,timeout; size 65535; timeout 7s; }" in text
    assert "update @flooding { iifname timeout 7s }" in text


TRAINEES = some.sampled_from(["", "t01", "t02", "é", "; drop"])


@given(some.lists(some.tuples(some.integers(2, 65_534), TRAINEES), unique_by=lambda each: each[0]))
def test_no_machine_has_anothers_pin_and_no_trainee_anothers_mark(machines):
    base = int(FARM.addresses.network_address)
    members = [
        member(f"machine-{number}", trainee, str(IPv4Interface(base + number).ip))
        for number, trainee in machines
    ]
    text = make_members(members)
    pins = re.findall(r'"(m[0-9a-f]+)" \. [0-9a-f:]+ \. ([0-9.]+)', text)
    assert sorted(pins) == sorted((each.interface, str(each.card.address.ip)) for each in members)
    marks = dict(re.findall(r'"(m[0-9a-f]+)" : (0x[0-9a-f]{8})', text))
    for one in members:
        for other in members:
            is_kin = one.card.trainee == other.card.trainee
            assert (marks[one.interface] == marks[other.interface]) is is_kin
    assert all(len(each.interface) <= 15 for each in members), "the kernel's limit of a name"
    assert re.fullmatch(r"[\w\s{}\".:,]*", text), "only what nft takes for an element"
