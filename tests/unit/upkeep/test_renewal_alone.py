"""A machine that is replaced while the others of its group run: `Renewals` only follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from vmlab import messages
from vmlab.errors import MachineConflictError
from vmlab.hub.client import HubClient
from vmlab.providers.base import Provider
from vmlab.spawning.nodes import SingleEnd
from vmlab.upkeep.renewal import Renewals, RenewalStage

DESK = "desk-ada-0"


@pytest.fixture
def renewals() -> Renewals:
    """Renewals that need neither hub nor provider: the spawner does the work."""
    return Renewals(cast("HubClient", None), cast("Provider", None))


def beginning(work: Callable[[], Awaitable[SingleEnd]]) -> Callable[[], asyncio.Task[SingleEnd]]:
    async def run() -> SingleEnd:
        return await work()

    return lambda: asyncio.create_task(run())


async def test_it_is_followed_to_its_end(renewals: Renewals) -> None:
    gate = asyncio.Event()

    async def work() -> SingleEnd:
        await gate.wait()
        return SingleEnd("desk-ada-0-17")

    assert renewals.begin_alone(DESK, beginning(work)).stage is RenewalStage.ALONE
    with pytest.raises(MachineConflictError, match="renewed already"):
        renewals.begin_alone(DESK, beginning(work))
    gate.set()
    over = await end(renewals)
    assert (over.stage, over.kept, over.is_over) == (RenewalStage.READY, "desk-ada-0-17", True)


async def test_a_failure_is_told_in_the_words_of_the_restart(renewals: Renewals) -> None:
    async def work() -> SingleEnd:
        return SingleEnd(failure=messages.TOO_LATE)

    renewals.begin_alone(DESK, beginning(work))
    over = await end(renewals)
    assert (over.stage, over.saying) == (RenewalStage.FAILED, messages.TOO_LATE)


async def test_a_group_that_is_switched_off_meanwhile(renewals: Renewals) -> None:
    begun: list[asyncio.Task[SingleEnd]] = []

    async def work() -> SingleEnd:
        await asyncio.Event().wait()
        raise AssertionError

    def begin() -> asyncio.Task[SingleEnd]:
        begun.append(beginning(work)())
        return begun[0]

    renewals.begin_alone(DESK, begin)
    await asyncio.sleep(0)
    begun[0].cancel()
    over = await end(renewals)
    assert (over.stage, over.saying) == (RenewalStage.FAILED, messages.NOT_RENEWED)
    assert "switched off" in over.problem


async def test_what_cannot_begin_leaves_nothing_to_follow(renewals: Renewals) -> None:
    def refuse() -> asyncio.Task[SingleEnd]:
        raise MachineConflictError(DESK, "it is being restarted already")

    with pytest.raises(MachineConflictError, match="restarted already"):
        renewals.begin_alone(DESK, refuse)
    assert renewals.state(DESK) is None


async def end(renewals: Renewals):
    """Return the renewal when it is over."""
    async with asyncio.timeout(30):
        while not (found := renewals.state(DESK)) or not found.is_over:  # noqa: ASYNC110 - a turn
            await asyncio.sleep(0)
    return found
