"""How many connections there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.ssh.limits import (
    MAX_ALL_CHANNELS,
    MAX_CONNECTIONS,
    MAX_OF_USER,
    MAX_STARTING,
    MAX_STARTING_OF_PLACE,
    Connections,
    Room,
    find_room,
)


def test_a_place_may_have_some_that_begin_and_another_place_too():
    counted = Connections()
    begun = [counted.begin("192.0.2.1") for _ in range(MAX_STARTING_OF_PLACE + 1)]
    assert begun == [*[True] * MAX_STARTING_OF_PLACE, False]
    assert counted.begin("192.0.2.2")
    counted.drop("192.0.2.1")
    assert counted.begin("192.0.2.1")


def test_networks_of_ipv6_are_places():
    counted = Connections()
    addresses = [f"2001:db8::{n:x}" for n in range(MAX_STARTING_OF_PLACE)]
    assert all(map(counted.begin, addresses))
    assert not counted.begin("2001:db8::ffff")


def test_all_that_begin_are_bounded_together():
    counted = Connections()
    begun = [counted.begin(f"192.0.2.{n}") for n in range(MAX_STARTING + 5)]
    assert sum(begun) == MAX_STARTING


def test_an_account_has_so_many_and_logging_in_makes_room_for_others():
    counted = Connections()
    for _ in range(MAX_OF_USER):
        assert counted.begin("192.0.2.1")
        assert counted.log_in("192.0.2.1", "ada")
    assert counted.begin("192.0.2.1")
    assert not counted.log_in("192.0.2.1", "ada")
    assert counted.log_in("192.0.2.1", "bob")
    counted.log_out("ada")
    assert counted.begin("192.0.2.1")
    assert counted.log_in("192.0.2.1", "ada")


def test_all_are_bounded_together():
    counted = Connections()
    for n in range(MAX_CONNECTIONS):
        assert counted.begin("192.0.2.1")
        assert counted.log_in("192.0.2.1", f"user{n}")
    assert not counted.begin("192.0.2.1")


def test_channels_of_all_connections_are_bounded_together():
    counted = Connections(Room(5, 2))
    assert [counted.open_channel() for _ in range(3)] == [True, True, False]
    counted.close_channel()
    assert counted.open_channel()


def test_a_process_that_may_open_enough_has_room_for_all():
    full = Room(MAX_CONNECTIONS, MAX_ALL_CHANNELS)
    assert find_room(full.descriptors) == find_room(524_288) == find_room(-1) == full


@pytest.mark.attack("ssh.flood", "opens as many connections as there are file descriptors")
@given(st.integers(0, 4096))
def test_connections_and_channels_never_take_more_than_the_process_has(limit):
    room = find_room(limit)
    assert room.connections >= 1
    assert room.channels >= 2
    if limit > 300:
        assert room.descriptors <= limit
    counted = Connections(room)
    begun = 0
    while counted.begin("192.0.2.1") and counted.log_in("192.0.2.1", f"user{begun}"):
        begun += 1
    assert begun == room.connections


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["ada", ""])), max_size=60))
def test_nothing_is_left_when_all_have_gone(visits):
    counted = Connections()
    there = []
    for place, user in visits:
        if counted.begin(place):
            there.append((place, user if user and counted.log_in(place, user) else ""))
    for place, user in there:
        if user:
            counted.log_out(user)
        else:
            counted.drop(place)
    assert not counted.starting
    assert not counted.users
