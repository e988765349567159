"""When a volume is due for a snapshot, and how much room is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import HostError
from vmlab.model import Volume
from vmlab.system.disk_space import FreeSpace
from vmlab.upkeep.volumes import HOUR_S, RETRY_S, SETTLE_S, Held, choose_due
from vmlab.volumes.model import Snapshot
from vmlab_protocol.snapshots import Reason, make_snapshot_id

NOW = 1_700_000_000.0


def held(*ages_s: float, name: str = "home-a", created: float = 0.0, since: float = 0.0) -> Held:
    taken = [NOW - age for age in ages_s]
    found = (Snapshot(make_snapshot_id(Reason.HOURLY, at), Reason.HOURLY, at, 64) for at in taken)
    return Held(Volume(name, created=created, holder="desk-a", held_since=since), tuple(found))


@pytest.mark.parametrize(
    ("one", "is_due"),
    [
        (held(HOUR_S), True),
        (held(HOUR_S - 1), False),
        (held(HOUR_S * 5, HOUR_S - 1), False),
        (held(), True),
        (held(created=NOW - HOUR_S + 1), False),
        (held(HOUR_S, since=NOW - SETTLE_S + 1), False),
        (held(HOUR_S, since=NOW - SETTLE_S), True),
        (held(-HOUR_S * 9, HOUR_S * 2), True),  # the clock was set back
        (held(HOUR_S, since=NOW + HOUR_S), True),
    ],
)
def test_a_snapshot_an_hour(one, is_due):
    assert choose_due([one], {}, NOW) == (["home-a"] if is_due else [])


def test_after_a_failure_it_waits_and_then_tries_again():
    one = held(HOUR_S * 2)
    assert choose_due([one], {"home-a": NOW - 1}, NOW) == []
    assert choose_due([one], {"home-a": NOW - RETRY_S}, NOW) == ["home-a"]


def test_who_waits_longest_is_first():
    many = [held(HOUR_S * n, name=f"home-{n}") for n in (2, 5, 3)]
    assert choose_due(many, {}, NOW) == ["home-5", "home-3", "home-2"]


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_the_reserve_has_bounds_and_lines_are_in_order(total, free):
    room = FreeSpace(Path("/x"), total, free)
    assert 512 <= room.reserve_mib <= 4096
    assert room.snapshots_spare_mib < room.spare_mib < room.free_mib


def test_what_does_not_fit_is_refused_with_numbers():
    room = FreeSpace(Path("/x"), 100_000, 5000)
    room.require(904, "a start")
    with pytest.raises(HostError, match=r"/x: 5000 MiB free, a start needs 905 MiB") as told:
        room.require(905, "a start")
    assert "4096 MiB" in told.value.message
    assert "full" in told.value.public.en
