"""What the agent looks after: a home that fills while somebody works, a clock that stood still."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from vmlab_guest.clock import Clock
from vmlab_guest.filling import (
    FULL_AT_START,
    Filling,
    Level,
    choose_level,
    make_filling_notice,
)
from vmlab_guest.notices import apply_notices
from vmlab_guest.space import Entry, Usage
from vmlab_guest.system import DiskSpace
from vmlab_guest.watch import Watch
from vmlab_protocol.machine import HOME
from vmlab_protocol.notices import Notice

MIB, GIB = 2**20, 2**30
SECOND = 10**9
NOON = 1_700_000_000 * SECOND


@pytest.fixture
def system(tmp_path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    apply_notices(system, [Notice("of the seed", "de la graine")])
    (system.root / "home/trainee/big file\n").write_bytes(b"x" * 100_000)
    return system


def told(system: FakeSystem) -> list[str]:
    rows = json.loads((system.root / "run/vmlab/notices.json").read_text())
    assert rows[0]["en"] == "of the seed", "what the seed said stays"
    return [row["en"] for row in rows[1:]]


def leave(system: FakeSystem, free: int, total: int = GIB) -> None:
    system.disk_spaces[HOME] = DiskSpace(total, free)


# -- a home that fills -----------------------------------------------------------------------------


def test_a_home_that_fills_is_told_while_it_does(system):
    filling = Filling(system)
    filling.look()
    assert told(system) == []
    leave(system, 80 * MIB)
    filling.look()
    (nearly,) = told(system)
    assert "is nearly full" in nearly
    assert "~/big file·" in nearly
    leave(system, 40 * MIB)
    filling.look()
    assert told(system) == [nearly], "one notice, not a new one with each file"
    leave(system, MIB)
    filling.look()
    (full,) = told(system)
    assert "is full" in full
    assert "saving files may fail" in full
    leave(system, 500 * MIB)
    filling.look()
    assert told(system) == [], "taken back"


def test_a_start_into_a_full_home_says_so_at_once_and_details_later(system):
    (system.root / "run/vmlab/home-full").write_text("")
    apply_notices(system, [Notice("of the seed", "de la graine"), FULL_AT_START])
    leave(system, 51 * MIB)  # the reserve
    filling = Filling(system)
    filling.look()
    (detailed,) = told(system)
    assert "is full. Your lab works, with a reserve of" in detailed
    assert "~/big file·" in detailed
    leave(system, 900 * MIB)
    filling.look()
    assert told(system) == []


def test_a_look_that_fails_is_made_again(system):
    leave(system, 80 * MIB)
    filling = Filling(system)
    notices = system.root / "run/vmlab/notices.json"
    notices.rename(notices.with_suffix(".away"))
    notices.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - of whatever kind
        filling.look()
    notices.rmdir()
    notices.with_suffix(".away").rename(notices)
    filling.look()
    assert "nearly full" in told(system)[0]


disk_spaces = st.builds(
    lambda total, share: DiskSpace(total, int(total * share)),
    st.integers(1, 2**44),
    st.floats(0, 1),
)


@given(disk_spaces, st.sampled_from(Level))
def test_a_level_settles_at_once(space, before):
    level = choose_level(space, before)
    assert choose_level(space, level) is level


@given(disk_spaces)
def test_a_home_that_is_half_empty_or_has_two_gib_left_is_roomy(space):
    is_roomy = space.free_bytes * 2 > space.total_bytes or space.free_bytes > 2 * GIB
    assert not is_roomy or choose_level(space, Level.FULL) is Level.ROOMY


@pytest.mark.parametrize("level", [Level.FILLING, Level.FULL])
def test_the_notice_names_what_is_largest(level):
    entries, files = (Entry("<b>data", GIB // 2),), (Entry("a/b", 5),)
    usage = Usage(GIB, 10 * MIB, entries, files, is_complete=False)
    notice = make_filling_notice(usage, level, has_reserve=False)
    assert "512.0 MiB  ~/<b>data" in notice.en
    assert "~/a/b" in notice.fr
    assert "plein" in notice.fr
    assert "10.0 MiB" in notice.fr


# -- a clock that stood still ---------------------------------------------------------------------


class Host:
    """The right time, a machine that it is told to, and the machine's clock on the board."""

    def __init__(self, system: FakeSystem) -> None:
        self.system = system
        self.now_ns = system.now_ns = NOON
        self.rtc = system.root / "sys/class/rtc/rtc0/since_epoch"
        self.rtc.parent.mkdir(parents=True)
        self.clock = Clock(system)
        self.run(0)

    def run(self, seconds: float) -> None:
        """The machine works for so long."""
        self.system.tick_ns += int(seconds * SECOND)
        self.system.now_ns += int(seconds * SECOND)
        self.stand_still(seconds)

    def stand_still(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        self.rtc.write_text(f"{self.now_ns // SECOND}\n")

    def say(self) -> float:
        return self.clock.set_right(self.now_ns, self.system.monotonic_ns())

    @property
    def behind_s(self) -> float:
        return (self.now_ns - self.system.now_ns) / SECOND


@pytest.fixture
def host(system) -> Host:
    return Host(system)


def test_a_clock_that_is_right_is_left_alone(host):
    for _ in range(100):
        host.run(7.3)
        host.clock.look()
        assert host.say() == 0.0
    assert host.system.clock_sets == []


def test_a_clock_read_slowly_is_not_put_ahead(host):
    """On a busy host seconds pass between the question and the answer of the RTC."""
    host.run(100)
    host.rtc.unlink()
    os.mkfifo(host.rtc)

    def answer() -> None:
        with host.rtc.open("w") as rtc:
            host.system.tick_ns += 3 * SECOND
            host.system.now_ns += 3 * SECOND
            host.now_ns += 3 * SECOND
            rtc.write(f"{host.now_ns // SECOND}\n")

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer)
        host.clock.look()
        answered.result(60)
    assert host.system.clock_sets == []
    assert host.behind_s == 0


@pytest.mark.parametrize("how", ["say", "look"])
def test_what_a_machine_slept_through_is_made_up_for_once(host, how):
    host.run(100)
    host.stand_still(3600)
    host.run(0.5)
    host.say() if how == "say" else host.clock.look()
    assert abs(host.behind_s) < 2
    host.clock.look()
    host.say()
    assert len(host.system.clock_sets) == 1


@given(st.lists(st.floats(0, 5000), max_size=20))
def test_however_often_it_sleeps_the_clock_is_right_afterwards(tmp_path_factory, naps):
    host = Host(FakeSystem(tmp_path_factory.mktemp("naps") / "root"))
    for nap in naps:
        host.run(11)
        host.stand_still(nap)
        host.clock.look()
        assert -0.1 <= host.behind_s < 4


def test_a_word_that_came_late_is_worth_its_age(host):
    host.stand_still(60)
    right_ns, at_ns = host.now_ns, host.system.monotonic_ns()
    host.run(5)  # the line lay there for so long
    host.clock.set_right(right_ns, at_ns)
    assert abs(host.behind_s) < 0.1


@pytest.mark.parametrize("years", [-1, 4])
def test_a_date_that_the_trainee_set_stays_theirs(host, years):
    host.run(30)
    host.system.now_ns += years * 365 * 86400 * SECOND
    for _ in range(3):
        host.clock.look()
        host.say()
        host.run(10)
    assert host.system.clock_sets == []
    host.stand_still(600)
    host.say()
    assert round(host.behind_s / 86400) == -years * 365, "and goes on from there"
    assert len(host.system.clock_sets) == 1


def test_a_service_that_sets_the_time_itself_is_not_corrected_twice(host):
    host.run(30)
    host.stand_still(600)
    host.system.now_ns += 600 * SECOND  # it was faster
    host.say()
    host.clock.look()
    host.run(10)
    host.say()
    assert abs(host.behind_s) < 0.1


def test_without_a_clock_on_the_board_there_is_the_host_s_word(host):
    host.stand_still(60)
    host.rtc.unlink()
    host.clock.look()
    assert host.system.clock_sets == []
    assert host.say() == 60.0


def test_one_look_that_fails_keeps_no_other_from_its_turn(host, system):
    leave(system, 80 * MIB)
    watch = Watch(system, host.clock)
    host.rtc.write_text("99999999999999999999999\n")  # no clock can be set so far
    system.set_clock_ns = lambda value_ns: 1 // 0
    watch.look()
    assert "the clock: unexpected error" in "".join(system.logged)
    assert "nearly full" in told(system)[0]
