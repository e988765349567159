"""Who fits into an event's network, and how its facts travel to the keeper."""

from __future__ import annotations

import dataclasses
import json
from ipaddress import IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vmlab.model import Card, Meeting, NetworkSpec
from vmlab.providers.qemu.network.layout import (
    Member,
    find_clash,
    find_mistake,
    member_as_json,
    names_address,
    read_member,
    read_spec,
    spec_as_json,
)

FARM = NetworkSpec("farm", IPv4Network("10.77.0.0/16"), Meeting.OWN)


def member(
    machine: str, address: str, trainee: str = "t01", *, mac: str = "", own: str = ""
) -> Member:
    wide = IPv4Interface(f"{address}/16")
    number = wide.ip.packed.hex(":")
    names = (f"{machine}.all",)
    return Member(
        machine, Card(FARM, mac or f"02:00:{number}", wide, trainee, names, (own,) if own else ())
    )


DESK = member("desk-t01", "10.77.1.1", own="desk")


def test_names_are_asked_for_at_the_first_address():
    assert str(names_address(FARM)) == "10.77.0.1"


def test_a_port_is_named_by_its_address():
    assert (DESK.interface, DESK.outer) == ("m101", "o101")


NOWHERE = "is not an address for machines of 10.77.0.0/16"


@pytest.mark.parametrize(
    ("new", "mistake"),
    [
        (member("desk-t02", "10.77.2.1", "t02", own="desk"), ""),
        (DESK, ""),  # itself, plugged in again
        (member("desk-t01", "10.77.7.7"), ""),
        (member("desk-t02", "10.77.1.1"), "desk-t01 has its address 10.77.1.1"),
        (
            member("desk-t02", "10.77.2.1", mac=DESK.card.mac),
            f"desk-t01 has its card {DESK.card.mac}",
        ),
        (
            member("node1", "10.77.1.2", own="desk"),
            "desk-t01 of the same trainee has its name desk",
        ),
        (
            member("node1", "10.77.1.2", "t02", own="desk-t01.all"),
            "desk-t01 has its name desk-t01.all",
        ),
        (member("node1", "10.78.1.1"), f"10.78.1.1 {NOWHERE}"),
        (member("node1", "10.77.0.1"), f"10.77.0.1 {NOWHERE}"),
        (member("node1", "10.77.0.0"), f"10.77.0.0 {NOWHERE}"),
        (member("node1", "10.77.255.255"), f"10.77.255.255 {NOWHERE}"),
    ],
)
def test_who_can_be_beside_whom(new, mistake):
    assert find_clash(new, [DESK]) == mistake


@pytest.mark.parametrize(
    ("addresses", "is_possible"),
    [
        ("10.77.0.0/16", True),
        ("10.77.0.0/30", True),
        ("10.77.0.0/31", False),
        ("10.77.0.1/32", False),
        ("127.0.0.0/8", False),
        ("224.0.0.0/8", False),
    ],
)
def test_which_networks_have_room(addresses, is_possible):
    assert (find_mistake(NetworkSpec("farm", IPv4Network(addresses))) == "") is is_possible


def test_facts_travel():
    assert read_spec(json.loads(json.dumps(spec_as_json(FARM)))) == FARM
    assert read_member(json.loads(json.dumps(member_as_json(DESK))), FARM) == DESK


HOSTILE = some.one_of(
    some.text(), some.sampled_from(['" } ; flush ruleset', "02:00:0a:4d:01:01\n", ""])
)


@given(HOSTILE, some.sampled_from(["machine", "mac", "names", "own_names", "address"]))
def test_what_is_not_a_name_or_a_number_never_becomes_a_rule(text, key):
    table = member_as_json(DESK)
    table[key] = [text] if key.endswith("names") else text
    try:
        read = read_member(table, FARM)
    except ValueError:
        return
    words = [read.machine, read.card.mac, *read.card.names, *read.card.own_names]
    assert all(set(word) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.:") for word in words)


def test_a_spec_of_another_form_is_refused():
    for broken in ({}, {**spec_as_json(FARM), "addresses": "10.77.0.1/16"}, {"name": "../x"}, None):
        with pytest.raises((ValueError, KeyError, TypeError)):
            read_spec(broken)
    assert dataclasses.replace(FARM, name="x") == read_spec({**spec_as_json(FARM), "name": "x"})
