"""Names of snapshots and of deleted volumes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.names import volume_name
from vmlab.volumes.model import is_volume_name, make_quarantine_name, parse_quarantine_name

times = st.integers(0, 4_000_000_000)


@given(st.text(), st.text(), times)
def test_a_volumes_name_survives_the_quarantine(user, server, at):
    name = volume_name(user, server)
    assert is_volume_name(name)
    deleted = make_quarantine_name(name, at)
    assert parse_quarantine_name(deleted) == (name, float(at))
    assert parse_quarantine_name(name) is None
    assert not is_volume_name(deleted)


@pytest.mark.parametrize("name", ["", "../x", "-x", "a/b", "a.b", "x" * 64, "a b", "A"])
def test_paths_and_options_are_no_names(name):
    assert not is_volume_name(name)
