"""Start slots: who waits, who is next, and that no slot is ever lost."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.spawning.slots import StartSlots, count_processors, expected_wait_s, make_slots

LIMIT_S = 30.0


class Starts:
    """Starts that end when the test says so."""

    def __init__(self, count: int) -> None:
        self.slots = StartSlots(count, clock=lambda: 0.0)
        self.begun: list[int] = []
        self.places: dict[int, list[int]] = {}
        self._ends: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self._told = asyncio.Condition()

    async def add(self, *numbers: int) -> None:
        for number in numbers:
            self._ends[number] = asyncio.Event()
            self.tasks[number] = asyncio.create_task(self._run(number))
        await settle()

    async def end(self, number: int) -> None:
        self._ends[number].set()
        await self.tasks[number]
        await settle()

    async def cancel(self, number: int) -> None:
        self.tasks[number].cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.tasks[number]
        await settle()

    async def wait_for_place(self, number: int, place: int) -> None:
        async with self._told:
            await self._told.wait_for(lambda: self.places[number][-1] == place)

    async def _run(self, number: int) -> None:
        async def tell(place: int) -> None:
            if self.places.setdefault(number, [])[-1:] != [place]:
                self.places[number].append(place)
            async with self._told:
                self._told.notify_all()

        async with self.slots.hold(tell, LIMIT_S):
            self.begun.append(number)
            await self._ends[number].wait()


async def settle() -> None:
    """Let everybody run who can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_first_come_first_served_and_never_more_than_slots():
    starts = Starts(2)
    await starts.add(0, 1, 2, 3, 4)
    assert starts.begun == [0, 1]
    assert starts.places == {2: [1], 3: [2], 4: [3]}
    await starts.end(1)
    assert starts.begun == [0, 1, 2]
    await starts.end(0)
    assert starts.begun == [0, 1, 2, 3]
    for number in (2, 3, 4):
        await starts.end(number)
    assert starts.begun == [0, 1, 2, 3, 4]


async def test_who_comes_when_a_slot_is_free_still_waits_behind_the_others():
    starts = Starts(1)
    await starts.add(0, 1)
    starts._ends[0].set()
    await starts.add(2)
    assert starts.begun == [0, 1]


async def test_who_gives_up_leaves_the_line_at_once():
    starts = Starts(1)
    await starts.add(0, 1, 2, 3)
    await starts.cancel(2)
    await starts.end(0)
    assert starts.begun == [0, 1]
    await starts.end(1)
    assert starts.begun == [0, 1, 3]


async def test_who_is_cancelled_in_the_moment_of_the_turn_passes_it_on():
    starts = Starts(1)
    await starts.add(0, 1, 2)
    starts._ends[0].set()
    await starts.tasks[0]  # gave the turn to 1, which has not run yet
    await starts.cancel(1)
    assert starts.begun == [0, 2]


async def test_a_start_that_fails_or_is_cancelled_gives_its_slot_back():
    starts = Starts(1)
    await starts.add(0, 1)
    await starts.cancel(0)
    assert starts.begun == [0, 1]

    async def fail() -> None:
        async with starts.slots.hold(ignore, LIMIT_S):
            raise ValueError("failed")

    failing = asyncio.create_task(fail())
    await starts.end(1)
    with pytest.raises(ValueError, match="failed"):
        await failing
    await starts.add(2)
    assert starts.begun == [0, 1, 2]


async def test_a_slot_is_given_back_early_and_only_once():
    slots = StartSlots(1)
    order: list[str] = []

    async def start(name: str) -> None:
        async with slots.hold(ignore, LIMIT_S) as give_back:
            order.append(name)
            give_back()
            give_back()
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(start("a"), start("b"))
    assert order.index("b") < order.index("a ends")
    async with slots.hold(never_told, LIMIT_S):
        assert slots.idle_s() == 0.0
        second = asyncio.create_task(start("c"))
        await settle()
        assert "c" not in order, "two give-backs of one start made no second slot"
    await second


@pytest.mark.attack("starts.slots", "a machine never finishes its start")
async def test_a_start_that_never_ends_keeps_its_slot_for_a_while_only():
    slots = StartSlots(1)
    begun = asyncio.Event()

    async def hang() -> None:
        async with slots.hold(never_told, LIMIT_S, lease_s=0.01):
            begun.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await begun.wait()
    async with asyncio.timeout(60), slots.hold(ignore, LIMIT_S):
        assert not hanging.done(), "it goes on, without a slot"
        hanging.cancel()
        await asyncio.wait({hanging})
        assert slots.idle_s() == 0.0, "whose slot it had been is at work"


async def test_waiting_has_a_limit_and_working_has_not():
    slots = StartSlots(1)
    async with slots.hold(never_told, 0.0):
        with pytest.raises(TimeoutError):
            async with slots.hold(ignore, 0.0):
                pytest.fail("there was no slot")
        await asyncio.sleep(0)
    async with slots.hold(never_told, LIMIT_S):
        pass


async def test_places_follow_the_line(monkeypatch):
    monkeypatch.setattr("vmlab.spawning.slots._POLL_S", 0.0)
    starts = Starts(1)
    await starts.add(0, 1, 2, 3)
    await starts.cancel(1)
    await starts.wait_for_place(3, 2)
    await starts.end(0)
    await starts.wait_for_place(3, 1)
    assert starts.places[3] == [3, 2, 1]


async def test_idle_is_counted_from_the_end_of_the_last_start():
    now = 100.0
    slots = StartSlots(1, clock=lambda: now)
    now = 103.0
    assert slots.idle_s() == 3.0
    async with slots.hold(never_told, LIMIT_S):
        now = 110.0
        assert slots.idle_s() == 0.0
    now = 112.0
    assert slots.idle_s() == 2.0


async def test_exactly_one_is_woken():
    """The others are not even looked at: with their looks far away, they take no step."""
    starts = Starts(1)
    await starts.add(*range(50))
    await starts.end(0)
    assert starts.begun == [0, 1]
    told = sum(len(places) for places in starts.places.values())
    assert told == 49, "nobody but the next one ran"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0, 100), st.integers(1, 40))
def test_who_is_later_in_line_never_expects_to_wait_less(at_work, start_s, place):
    here, behind = (expected_wait_s(n, start_s, at_work) for n in (place, place + 1))
    assert (here is None) is (behind is None) is all(spent > start_s for spent in at_work)
    assert here is None or 0 <= here <= behind


def test_expected_wait_is_not_less_further_back_by_rounding():
    waits = [expected_wait_s(place, 0.002, [0.0, 0.0, 1.0]) for place in (30, 31)]
    assert waits[0] is not None
    assert waits[0] <= waits[1]


def test_expected_wait():
    assert expected_wait_s(1, 10.0, [4.0, 9.0]) == 1.0
    assert expected_wait_s(2, 10.0, [4.0, 9.0]) == 6.0
    assert expected_wait_s(3, 10.0, [4.0, 9.0]) == 11.0
    assert expected_wait_s(1, 10.0, [99.0]) is None, "it takes longer than usual: for ever, maybe"
    assert expected_wait_s(1, 10.0, [99.0, 4.0]) == 6.0, "its slot is not counted on"
    assert expected_wait_s(2, 10.0, [99.0, 4.0]) == 16.0
    assert expected_wait_s(1, 10.0, []) == 0.0


def test_as_many_slots_as_processors_that_we_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7})
    assert count_processors() == 3
    make_slots.cache_clear()
    assert make_slots(0).count == 3
    assert make_slots(7).count == 7
    assert make_slots(7) is make_slots(7)
    make_slots.cache_clear()


async def never_told(place: int) -> None:
    pytest.fail(f"no reason to wait at place {place}")


async def ignore(place: int) -> None:
    pass
