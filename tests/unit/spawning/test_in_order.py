"""Starts in their order: who waits for whom, and what a failure ends."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.spawning.in_order import start_in_order


class Starts:
    """Starts that end when the test says so."""

    def __init__(self, after: dict[str, tuple[str, ...]]) -> None:
        self.after = after
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._go_on = {label: asyncio.Event() for label in after}
        self.errors: dict[str, Exception] = {}

    async def start(self, label: str) -> None:
        self.begun.append(label)
        try:
            await self._go_on[label].wait()
            if error := self.errors.get(label):
                raise error
        finally:
            self.ended.append(label)

    async def finish(self, *labels: str) -> None:
        for label in labels:
            self._go_on[label].set()
        for _ in range(10):
            await asyncio.sleep(0)

    def run(self) -> asyncio.Task[None]:
        return asyncio.create_task(start_in_order(self.after, self.start))


async def test_each_starts_when_those_before_it_are_ready() -> None:
    starts = Starts({"desk": ("a", "b"), "a": ("server",), "b": (), "server": ()})
    task = starts.run()
    await starts.finish()
    assert starts.begun == ["b", "server"]
    await starts.finish("server")
    assert starts.begun == ["b", "server", "a"]
    await starts.finish("a", "b")
    assert starts.begun[-1] == "desk"
    await starts.finish("desk")
    await task


async def test_the_first_failure_ends_all_others_and_is_what_is_raised() -> None:
    starts = Starts({"desk": (), "a": (), "b": ("a",)})
    starts.errors["a"] = ValueError("a broke")
    task = starts.run()
    await starts.finish("a")
    with pytest.raises(ValueError, match="a broke"):
        await task
    assert sorted(starts.ended) == ["a", "desk"]
    assert "b" not in starts.begun


async def test_two_failures_at_once_are_one_and_a_line_in_the_log(caplog) -> None:
    starts = Starts({"a": (), "b": ()})
    starts.errors = {"a": ValueError("first"), "b": KeyError("second")}
    task = starts.run()
    await starts.finish("a", "b")
    with pytest.raises(ValueError, match="first"):
        await task
    assert "second" in caplog.text


async def test_who_is_cancelled_leaves_no_start_behind() -> None:
    starts = Starts({"a": (), "b": ()})
    task = starts.run()
    await starts.finish()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(starts.ended) == ["a", "b"]


@given(st.lists(st.sets(st.integers(0, 6)), max_size=7))
def test_nobody_starts_before_those_it_waits_for(waits) -> None:
    after = {
        str(number): tuple(str(other) for other in sorted(others) if other < number)
        for number, others in enumerate(waits)
    }
    ready: set[str] = set()

    async def start(label: str) -> None:
        assert set(after[label]) <= ready
        await asyncio.sleep(0)
        ready.add(label)

    asyncio.run(start_in_order(after, start))
    assert ready == set(after)
