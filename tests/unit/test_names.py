"""vmlab.names keeps its promises for any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.names import folder_name, host_name, machine_name, volume_name

LABEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
any_text = st.text(alphabet=st.characters(), max_size=300)


@pytest.mark.parametrize(
    ("user", "server", "expected"),
    [
        ("ada", "", "desk-ada-81a676eb2fa4"),
        ("Ada Lovelace", "", "desk-ada-lovelace-a1f74eda4429"),
        ("../../etc", "", "desk-etc-d0c56a205025"),
        ("é" * 200, "", "desk-eeeeeeeeeeeeeeeeeeee-32ac12d3720b"),
        ("日本", "", "desk-x-d1c60683b25d"),
        ("", "", "desk-x-ba768b331fd8"),
    ],
)
def test_names_stay_as_they_are(user, server, expected):
    # Machines and volumes are found again by these names: a change here loses people's work.
    assert machine_name(user, server) == expected


@given(any_text, any_text)
def test_a_name_is_a_label_a_file_and_no_option(user, server):
    for name in (machine_name(user, server), volume_name(user, server), host_name(user)):
        assert LABEL.fullmatch(name)
        assert len(name) <= 40


@given(any_text, any_text, any_text, any_text)
def test_different_servers_have_different_names(user, server, user2, server2):
    same = (user, server) == (user2, server2)
    assert (machine_name(user, server) == machine_name(user2, server2)) is same
    assert (volume_name(user, server) == volume_name(user2, server2)) is same


@given(any_text)
def test_where_the_user_ends_and_the_server_begins_matters(text):
    assert machine_name(text + "a", "b") != machine_name(text, "ab")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("ada", "ada"),
        ("t01", "t01"),
        ("Ada Lovelace", "ada-lovelace-a1f74eda4429"),
        ("ada-lovelace-a1f74eda4429", "ada-lovelace-a1f74ed-ca2672486c37"),
        ("../../etc", "etc-d0c56a205025"),
        ("42", "x-42-c93050b1b9ff"),
    ],
)
def test_folders_stay_as_they_are(user, expected):
    assert folder_name(user) == expected


@given(any_text, any_text)
def test_a_folder_is_a_name_and_one_persons(user, other):
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,39}", folder_name(user))
    assert (folder_name(user) == folder_name(other)) is (user == other)
