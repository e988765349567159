"""Which snapshots stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmlab.volumes.model import Snapshot
from vmlab.volumes.thinning import DAYS, HOURS, choose_superfluous
from vmlab_protocol.snapshots import Reason, make_snapshot_id

HOUR, DAY = 3600.0, 86400.0
T0 = 1_700_000_000.0 - 1_700_000_000.0 % DAY  # a midnight


def snap(at: float, reason: Reason = Reason.HOURLY) -> Snapshot:
    return Snapshot(make_snapshot_id(reason, at), reason, float(int(at)), 64)


def left(snapshots: list[Snapshot], now: float) -> list[Snapshot]:
    gone = choose_superfluous(snapshots, now)
    return [snapshot for snapshot in snapshots if snapshot not in gone]


snapshots = st.lists(
    st.builds(snap, st.integers(0, 2_000_000_000), st.sampled_from(Reason)),
    max_size=200,
    unique_by=lambda snapshot: snapshot.id,
)


def test_a_month_of_hours_becomes_24_hours_and_14_days():
    month = [snap(T0 + hour * HOUR) for hour in range(30 * 24)]
    kept = left(month, T0 + 30 * DAY)
    assert [s for s in month[-24:] if s not in kept] == []
    assert len(kept) == HOURS + DAYS - 1, "the newest day's is among the hours"
    days = {int(s.taken // DAY) for s in kept}
    assert len(days) == DAYS


def test_who_works_one_hour_a_week_goes_back_fourteen_weeks():
    weeks = [snap(T0 + week * 7 * DAY + 9 * HOUR) for week in range(40)]
    assert left(weeks, T0 + 40 * 7 * DAY) == weeks[-24:]


def test_two_in_an_hour_are_one():
    pair = [snap(T0 + 60), snap(T0 + 120)]
    assert left(pair, T0 + HOUR) == pair[1:]


def test_snapshots_by_hand_stay_for_ever():
    manual = [snap(T0, Reason.MANUAL)]
    assert left(manual, T0 + 1000 * DAY) == manual


def test_what_a_restore_replaced_stays_two_weeks_and_left_overs_a_day():
    kept, before = snap(T0, Reason.KEPT), snap(T0, Reason.BEFORE)
    assert left([kept, before], T0 + DAY) == [kept, before]
    assert left([kept, before], T0 + 14 * DAY) == [kept]
    assert left([kept, before], T0 + 14 * DAY + 1) == []


@given(snapshots, st.integers(0, 2_000_000_000))
def test_what_is_kept_is_bounded_and_thinning_again_changes_nothing(all_, now):
    kept = left(all_, now)
    hourly = [s for s in kept if s.reason is Reason.HOURLY]
    assert len(hourly) <= HOURS + DAYS
    assert choose_superfluous(kept, now) == []
    newest = max(
        (s for s in all_ if s.reason is Reason.HOURLY), default=None, key=lambda s: s.taken
    )
    assert newest is None or newest in kept
    assert [s for s in all_ if s.reason is Reason.MANUAL] == [
        s for s in kept if s.reason is Reason.MANUAL
    ]


@given(snapshots, st.integers(0, 2_000_000_000))
def test_the_order_does_not_matter(all_, now):
    assert choose_superfluous(reversed(all_), now) == choose_superfluous(all_, now)
