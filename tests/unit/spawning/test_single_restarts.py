"""Restarts of single machines: one at a time, of those that asked for it, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from vmlab import messages
from vmlab.errors import MachineConflictError
from vmlab.model import EndCause, MachineState, MachineStatus
from vmlab.spawning.nodes import SingleEnd, SingleRestarts
from vmlab_protocol.notices import Notice

MACHINES = {"node1": "node1-ada-0", "node2": "node2-ada-0"}


def states(**causes: EndCause | None) -> dict[str, MachineStatus]:
    return {
        MACHINES[label]: MachineStatus(MACHINES[label], MachineState.STOPPED, cause=cause)
        for label, cause in causes.items()
    }


@pytest.mark.parametrize(
    ("cause", "is_restarted"),
    [
        (EndCause.REBOOT, True),
        (EndCause.PANIC, True),
        (EndCause.POWEROFF, False),
        (None, False),
    ],
)
async def test_only_what_was_not_switched_off_is_started_again(cause, is_restarted) -> None:
    singles, restarted = SingleRestarts(), []

    async def restart(label: str) -> None:
        restarted.append(label)

    singles.begin_ended(MACHINES, states(node1=cause, node2=None), restart)
    await asyncio.sleep(0)
    assert restarted == (["node1"] if is_restarted else [])


async def test_one_that_always_ends_stays_off_until_somebody_starts() -> None:
    singles, restarted = SingleRestarts(), []

    async def restart(label: str) -> None:
        restarted.append(label)

    for _ in range(5):
        singles.begin_ended(MACHINES, states(node1=EndCause.PANIC, node2=None), restart)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert restarted == ["node1"] * 3
    singles.clear()
    singles.begin_ended(MACHINES, states(node1=EndCause.PANIC, node2=None), restart)
    await asyncio.sleep(0)
    assert len(restarted) == 4


async def test_one_at_a_time_for_each_machine_and_all_are_ended_by_a_stop() -> None:
    singles, ended = SingleRestarts(), []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    singles.begin("node1-ada-0", "node1", hang)
    singles.begin("node2-ada-0", "node2", hang)
    with pytest.raises(MachineConflictError, match="node1-ada-0: it is being restarted already"):
        singles.begin("node1-ada-0", "node1", hang)
    await asyncio.sleep(0)
    assert singles.under_way == {"node1", "node2"}
    await singles.cancel()
    assert (singles.under_way, len(ended)) == (frozenset(), 2)


async def test_how_it_ended_is_told_to_whoever_asked_for_it() -> None:
    singles = SingleRestarts()

    async def replace() -> str:
        return "desk-ada-0-1700000000"

    async def fail() -> None:
        raise MachineConflictError("node1-ada-0", "no room")

    assert await singles.begin("desk-ada-0", "desk", replace) == SingleEnd("desk-ada-0-1700000000")
    failed = await singles.begin("node1-ada-0", "node1", fail)
    assert failed == SingleEnd(failure=messages.NOT_RESTARTED)


async def test_what_fails_is_told_in_the_log(caplog) -> None:
    singles = SingleRestarts()

    async def fail() -> None:
        raise MachineConflictError("node1-ada-0", "no room")

    singles.begin("node1-ada-0", "node1", fail)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not singles.under_way
    assert "node1-ada-0: could not be restarted: node1-ada-0: no room" in caplog.text


SAID = Notice("It has no room.", "Elle n'a pas de place.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MachineConflictError("node1-ada-0", "secret", public=SAID), SAID),
        (MachineConflictError("node1-ada-0", "secret"), messages.NOT_RESTARTED),
        (RuntimeError("secret"), messages.NOT_RESTARTED),
    ],
)
async def test_what_trainees_are_told_of_a_failure_until_the_next_attempt(error, said) -> None:
    singles = SingleRestarts()

    async def fail() -> None:
        raise error

    async def attempt() -> None:
        singles.begin("node1-ada-0", "node1", fail)
        assert not singles.failed
        while singles.under_way:  # noqa: ASYNC110 - a turn of the loop, not a time
            await asyncio.sleep(0)

    await attempt()
    assert singles.failed == {"node1": said}
    await attempt()
    singles.clear()
    assert not singles.failed
