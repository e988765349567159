"""Rates: those of a window that is long enough for detectors that deliver in batches."""

from __future__ import annotations

import pytest

from narval.actor.counters import Counters, Rates
from narval.cli.table import format_table
from narval.client import SubSystemStatus
from narval.states import State
from narval.units import RATE_WINDOW_S


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def look_every_half_second(rates, clock, seconds, bytes_at):
    seen = []
    for step in range(1, int(2 * seconds) + 1):
        clock.now_s = 100.0 + step / 2
        seen.append(rates.look(Counters(bytes_in=bytes_at(step / 2)))[0])
    return seen


def test_what_comes_every_3_s_has_a_rate_all_the_time(clock):
    rates = Rates(clock)
    rates.begin()
    seen = look_every_half_second(rates, clock, 60, lambda s: int(s // 3) * 3000)
    settled = seen[20:]
    assert min(settled) >= 600
    assert max(settled) <= 1200
    assert sum(settled) / len(settled) == pytest.approx(1000, rel=0.05)


def test_a_rate_follows_within_the_window(clock):
    rates = Rates(clock)
    rates.begin()
    seen = look_every_half_second(rates, clock, 20, lambda s: int(min(s, 10) * 1000))
    assert seen[0] == pytest.approx(1000), "from the run's first moment on"
    assert seen[19] == pytest.approx(1000)
    assert seen[19 + int(RATE_WINDOW_S * 2)] == 0


def test_a_new_run_begins_from_zero_and_one_that_is_over_has_none(clock):
    rates = Rates(clock)
    assert (rates.look(Counters()), rates.seconds()) == ((0.0, 0.0), 0.0)
    rates.begin()
    clock.now_s += 2
    assert rates.look(Counters(bytes_out=4000)) == (0.0, 2000.0)
    assert rates.seconds() == 2
    rates.end()
    clock.now_s += 100
    assert (rates.look(Counters(bytes_out=4000)), rates.seconds()) == ((0.0, 0.0), 2.0)
    rates.begin()
    clock.now_s += 1
    assert rates.look(Counters(bytes_out=500)) == (0.0, 500.0)


def test_a_table_says_what_its_rates_are():
    actor = {
        "name": "a", "state": "Stopped", "error": None, "bytes_in": 80_000, "bytes_out": 0,
        "bytes_per_s_in": 5.0, "bytes_per_s_out": 0.0, "run_s": 8.0, "lost": {"late": 3},
        "busy_s": 12.3, "busy_in": "process_block",
    }  # fmt: skip
    status = SubSystemStatus("tandem", State.STOPPED, None, (), None, 7, "", (actor,))
    over = format_table(status, is_over=True)
    assert over[0] == "tandem: Stopped, run 7; rates over all 8 s"
    assert "10 kB/s" in over[2]
    assert "80 kB" in over[2]
    assert over[-1] == "  a: 3 frames lost (3 late)"
    assert not any("process_block" in line for line in over)
    now = format_table(status)
    assert "  a: process_block has not returned for 12 s" in now
    assert now[0] == "tandem: Stopped, run 7; rates over 5 s"
    assert "5 B/s" in now[2]
