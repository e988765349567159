"""The hub's side of a file server: quotas that fit, folders that are nobody else's."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.files.roster import Person, Room, make_roster, make_share, share_out
from vmlab_protocol.share import MAX_SHARERS, Share, Sharer, parse_roster, roster_json

NETWORK = IPv4Network("10.77.0.0/16")
ADA = Person("ada", (IPv4Address("10.77.1.1"),))
EVE = Person("Eve Trainer", (IPv4Address("10.77.9.1"),), is_trainer=True)


def test_a_roster_of_a_class():
    roster = make_roster([EVE, ADA], NETWORK, Room(100, 400), serial=3)
    assert roster.sharers == (
        Sharer("eve-trainer-1d292732afa0", EVE.addresses, 100, is_trainer=True),
        Sharer("ada", ADA.addresses, 100),
    )
    assert parse_roster(roster_json(roster)) == roster


def test_a_share_names_the_same_folder():
    server = IPv4Address("10.77.0.2")
    assert make_share(ADA, server) == Share(server, "ada")
    assert make_share(EVE, server) == Share(server, "eve-trainer-1d292732afa0", is_trainer=True)


def test_too_many_are_refused():
    crowd = [Person(f"t{number}") for number in range(MAX_SHARERS + 1)]
    with pytest.raises(ConfigError, match="1001 people"):
        make_roster(crowd, NETWORK, Room(16, 16), serial=1)
    machines = tuple(IPv4Address(number) for number in range(65))
    with pytest.raises(ConfigError, match="ada has 65 machines"):
        make_roster([Person("ada", machines)], NETWORK, Room(16, 16), serial=1)


def test_the_volume_is_shared_out():
    assert share_out(10240, 20) == Room(own_mib=353, shared_mib=2355)
    assert share_out(10240, 20, own_mib=400) == Room(own_mib=400, shared_mib=1420)
    # In a small volume more is the file system's own.
    assert share_out(1000, 2) == Room(own_mib=315, shared_mib=210)
    assert share_out(10240, 0) == Room(own_mib=7065, shared_mib=2355)


@pytest.mark.parametrize(
    ("volume", "people", "own"), [(256, 20, 0), (1024, 20, 48), (900, 20, 44), (16, 1, 0)]
)
def test_a_volume_that_is_too_small_is_refused_with_a_size_that_is_not(volume, people, own):
    with pytest.raises(ConfigError, match=f"{volume} MiB is too small for {people}") as caught:
        share_out(volume, people, own)
    enough = int(caught.value.hint.split()[-2])
    assert share_out(enough, people, own).own_mib >= max(own, 16)


@given(st.integers(1, 2**24), st.integers(0, 1000), st.integers(0, 2**20))
def test_nobody_is_promised_what_is_not_there(volume, people, own):
    try:
        room = share_out(volume, people, own)
    except ConfigError:
        return
    assert people * room.own_mib + room.shared_mib <= volume
