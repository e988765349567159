"""Work beside a body: both are done, or neither is left running."""

from __future__ import annotations

import asyncio

import pytest

from vmlab.system.beside import meanwhile


async def fail_beside(work) -> None:
    """Fail in the body once the work has begun."""
    async with meanwhile(work):
        await asyncio.sleep(0)
        raise KeyError


async def test_it_leaves_when_both_are_done():
    begun, done = asyncio.Event(), []

    async def work() -> None:
        await begun.wait()
        done.append("work")

    async with meanwhile(work()):
        done.append("body")
        begun.set()
    assert done == ["body", "work"]


async def test_a_failure_of_the_work_is_raised():
    async def fail() -> None:
        raise ValueError("work")

    with pytest.raises(ValueError, match="work"):
        async with meanwhile(fail()):
            await asyncio.sleep(0)


async def test_a_failure_of_the_body_cancels_the_work():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(KeyError):
        await fail_beside(work())
    assert ended.is_set()


async def test_when_both_fail_the_bodys_failure_is_told(caplog):
    async def fail() -> None:
        raise ValueError

    with pytest.raises(KeyError):
        await fail_beside(fail())
    assert caplog.text == ""
