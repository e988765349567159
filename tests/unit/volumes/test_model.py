"""Names of snapshots and of deleted volumes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.names import volume_name
from vmlab.volumes.model import (
    Reason,
    is_volume_name,
    make_quarantine_name,
    make_snapshot_id,
    parse_quarantine_name,
    parse_snapshot_id,
)

times = st.integers(0, 4_000_000_000)


@given(st.sampled_from(Reason), times)
def test_a_snapshots_name_says_reason_and_time(reason, at):
    assert parse_snapshot_id(make_snapshot_id(reason, at)) == (reason, float(at))


@given(st.text())
def test_any_text_is_a_snapshot_or_not(text):
    parsed = parse_snapshot_id(text)
    assert parsed is None or make_snapshot_id(*parsed) == text


@pytest.mark.parametrize(
    "text",
    ["hourly-2026", "hourly-20260101T000000", "hourly-2026101T000000Z", "x-20260101T000000Z"],
)
def test_nearly_right_is_wrong(text):
    assert parse_snapshot_id(text) is None


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
