"""A host name means one of one's own machines, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.names import machine_name
from vmlab.ssh.targets import find_machine, own_machines


def test_one_s_own_desk_is_found():
    assert find_machine("ada", "desk") == machine_name("ada")
    assert find_machine("ada", "DESK.") == machine_name("ada")


@pytest.mark.parametrize("host", ["", "desk2", "127.0.0.1", "desk-bob", "../desk", "desk desk"])
def test_nothing_else_is(host):
    assert find_machine("ada", host) == ""


@given(st.text(max_size=40), st.text(max_size=80))
def test_whatever_is_asked_for_is_one_s_own(user, host):
    assert find_machine(user, host) in {"", *own_machines(user).values()}
