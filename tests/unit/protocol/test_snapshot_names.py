"""Names of snapshots, and the list of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab_protocol.errors import FormatError
from vmlab_protocol.outside import load_json
from vmlab_protocol.snapshots import (
    Reason,
    dump_snapshots,
    is_snapshot_id,
    make_snapshot_id,
    parse_snapshot_id,
    parse_snapshots,
)

ID = "hourly-20261127T140000Z"
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


def test_snapshots_come_newest_first():
    older, newer = {"id": ID, "taken": 5}, {"id": "manual-20261127T150000Z", "taken": 6.5}
    found = parse_snapshots({"snapshots": [older, newer]})
    assert [(s.reason, s.taken_s) for s in found] == [("manual", 6.5), ("hourly", 5.0)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"snapshots": {}},
        {"snapshots": [1]},
        {"snapshots": [{"id": "../x", "taken": 1}]},
        {"snapshots": [{"id": ID}]},
        {"snapshots": [{"id": ID, "taken": True}]},
    ],
)
def test_another_answer_is_refused(answer):
    with pytest.raises(FormatError, match="list of snapshots"):
        parse_snapshots(answer)


@given(taken=st.integers(-(10**30), 10**30) | st.floats(allow_nan=False))
def test_times_of_snapshots(taken):
    row = {"id": "hourly-20261127T140000Z", "taken": taken}
    assert parse_snapshots({"snapshots": [row]})[0].id == row["id"]


@given(st.text())
def test_the_name_of_a_snapshot_is_a_safe_file_name(text):
    if is_snapshot_id(text):
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789TZ-")


@given(st.lists(st.tuples(st.sampled_from(Reason), times), max_size=20))
def test_machines_read_the_list_that_the_hub_writes(taken):
    rows = [(make_snapshot_id(reason, at), at + 0.5) for reason, at in taken]
    found = parse_snapshots(load_json(json.dumps(dump_snapshots(rows))))
    assert sorted((s.id, s.taken_s) for s in found) == sorted(rows)
    assert all(s.reason in set(Reason) and is_snapshot_id(s.id) for s in found)


def test_a_reason_of_a_newer_hub_is_listed():
    (found,) = parse_snapshots({"snapshots": [{"id": "nightly-20261127T140000Z", "taken": 1}]})
    assert found.reason == "nightly"
    assert parse_snapshot_id(found.id) is None
