"""Who has which number: one's own, the same for good, and never somebody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.database import Database
from vmlab.database.engine import sqlite_url
from vmlab.errors import HostError

LISTED = ("ada", "bob", "eve")


@pytest.fixture
def numbers(tmp_path):
    database = Database(sqlite_url(tmp_path / "vmlab.sqlite"))
    yield database.numbers
    database.close()


def test_a_number_is_the_place_in_the_list_and_stays(numbers):
    assert numbers.ensure("eve", LISTED, 10) == 3
    assert numbers.ensure("ada", LISTED, 10) == 1
    assert numbers.ensure("eve", ("eve", *LISTED), 10) == 3, "whoever comes before later"
    assert numbers.all() == {"eve": 3, "ada": 1}


def test_others_take_no_number_of_the_list(numbers):
    assert numbers.ensure("helper", LISTED, 10) == 4
    assert numbers.ensure("another", LISTED, 10) == 5
    assert numbers.ensure("bob", LISTED, 10) == 2
    assert numbers.ensure("new", (*LISTED, "new"), 10) == 6, "its place is another's by now"


def test_a_number_of_somebody_who_left_is_given_away_last(numbers):
    for user in LISTED:
        numbers.ensure(user, LISTED, 4)
    assert numbers.ensure("new", ("ada", "new", "eve"), 4) == 4
    assert numbers.ensure("newer", ("ada", "newer", "eve", "new"), 4) == 2
    assert numbers.all() == {"ada": 1, "eve": 3, "new": 4, "newer": 2}
    with pytest.raises(HostError, match="all 4 places in the event's network are taken"):
        numbers.ensure("last", ("ada", "newer", "eve", "new"), 4)


def test_a_number_that_a_smaller_network_has_not_is_replaced(numbers):
    assert numbers.ensure("helper", LISTED, 100) == 4
    assert numbers.ensure("second", LISTED, 100) == 5
    assert numbers.ensure("second", LISTED, 4) == 1
    assert numbers.ensure("helper", LISTED, 4) == 4


def test_many_at_once_share_none(tmp_path):
    database = Database(sqlite_url(tmp_path / "vmlab.sqlite"))
    users = [f"user{number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda user: database.numbers.ensure(user, (), 20), users))
    database.close()
    assert sorted(found) == list(range(1, 13))


users = st.lists(st.sampled_from("abcdefgh"), max_size=20)
listed = st.lists(st.sampled_from("abcd"), unique=True)


@given(users, listed)
def test_a_number_is_within_the_network_and_ones_own(users, listed):
    database = Database("sqlite://")
    given_out: dict[str, int] = {}
    for user in users:
        number = database.numbers.ensure(user, listed, 8)
        assert 1 <= number <= 8
        assert given_out.setdefault(user, number) == number
    assert len(set(given_out.values())) == len(given_out)
    database.close()
