"""The file server's roster, and a machine's share of it: what travels is what arrives."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.guest_seeds import make_seed
from vmlab_protocol.errors import FormatError
from vmlab_protocol.messages import (
    MAX_TO_GUEST_BYTES,
    GuestMessageType,
    HostMessageType,
    dump_line,
    parse_guest_line,
)
from vmlab_protocol.seed_reader import SeedError, parse_seed
from vmlab_protocol.share import (
    MAX_SHARERS,
    Roster,
    Share,
    Sharer,
    drop_path,
    own_path,
    parse_roster,
    parse_share,
    roster_json,
    share_json,
)

NETWORK = IPv4Network("10.77.0.0/16")
ADA = Sharer("ada", (IPv4Address("10.77.1.1"), IPv4Address("10.77.1.2")), 100)
EVE = Sharer("eve", (IPv4Address("10.77.2.1"),), 50, is_trainer=True)
ROSTER = Roster(7, NETWORK, 400, (ADA, EVE))

folders = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)


def travel(value: dict[str, Any]) -> Any:
    return json.loads(json.dumps(value))


def test_a_roster_arrives_as_it_was_sent():
    assert parse_roster(travel(roster_json(ROSTER))) == ROSTER


@given(folders, st.ip_addresses(v=4), st.booleans(), st.booleans())
def test_a_share_arrives_as_it_was_sent(folder, server, is_trainer, is_home):
    share = Share(server, folder, is_trainer, is_home)
    assert parse_share(travel(share_json(share))) == share


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"serial": 0}, "serial"),
        ({"serial": True}, "serial"),
        ({"serial": 2**60}, "serial"),
        ({"readers": "10.77.0.1/16"}, "readers"),
        ({"readers": 5}, "readers"),
        ({"shared_quota_mib": 0}, "shared_quota_mib"),
        ({"sharers": {}}, "sharers"),
        ({"sharers": [{}] * (MAX_SHARERS + 1)}, "at most"),
        ({"sharers": ["ada"]}, r"sharers\[0\]"),
    ],
)
def test_a_mistake_in_a_roster_is_named(change, words):
    with pytest.raises(FormatError, match=words):
        parse_roster({**roster_json(ROSTER), **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folder": "../etc"}, "folder"),
        ({"folder": ""}, "folder"),
        ({"folder": "ada\n"}, "folder"),
        ({"folder": ".vmlab"}, "folder"),
        ({"addresses": ["10.77.1.0/24"]}, "addresses"),
        ({"addresses": ["*"]}, "addresses"),
        ({"addresses": ["fe80::1"]}, "addresses"),
        ({"addresses": [1]}, "addresses"),
        ({"addresses": None}, "addresses"),
        ({"addresses": ["10.77.1.1"] * 65}, "at most"),
        ({"addresses": ["10.77.2.1"]}, "two have the address 10.77.2.1"),
        ({"folder": "eve"}, "two have the folder eve"),
        ({"quota_mib": -1}, "quota_mib"),
        ({"quota_mib": "1"}, "quota_mib"),
    ],
)
def test_a_mistake_in_a_sharer_is_named(change, words):
    table = roster_json(ROSTER)
    table["sharers"][0] |= change
    with pytest.raises(FormatError, match=words):
        parse_roster(table)


def test_nobody_is_a_trainer_by_mistake():
    table = roster_json(ROSTER)
    table["sharers"][0]["is_trainer"] = "no"
    assert not parse_roster(table).sharers[0].is_trainer


def test_the_largest_roster_of_a_class_fits_a_line():
    many = tuple(
        Sharer(f"{'a' * 20}-{i:012}", tuple(IPv4Address(i * 256 + k) for k in range(4)), 2**20)
        for i in range(1, 1001)
    )
    line = dump_line(HostMessageType.SERVE, **roster_json(Roster(2**50, NETWORK, 2**20, many)))
    assert len(line) < MAX_TO_GUEST_BYTES


def test_paths():
    assert own_path("ada") == "/srv/own/ada"
    assert (drop_path("ada"), drop_path()) == ("/srv/drop/ada", "/srv/drop")


def test_a_seed_without_a_share_has_none():
    assert parse_seed(make_seed()).share is None


def test_a_seed_brings_the_share_along():
    share = Share(IPv4Address("10.77.0.2"), "ada")
    assert parse_seed(make_seed(share=share)).share == share


@pytest.mark.parametrize("share", [5, {}, {"server": "10.77.0.2", "folder": "a/b"}])
def test_a_broken_share_is_a_broken_seed(share):
    with pytest.raises(SeedError, match=r"seed\.share"):
        parse_seed({**make_seed(), "share": share})


@pytest.mark.parametrize(("said", "heard"), [(7, 7), (True, 0), (-1, 0), ("7", 0), (None, 0)])
def test_what_is_served_is_told_by_its_serial(said, heard):
    message = parse_guest_line(dump_line(GuestMessageType.SERVING, serial=said))
    assert message is not None
    assert message.serial == heard
