"""One machine of a group is restarted, and only once at a time."""

from __future__ import annotations

import asyncio

import pytest

from vmlab import messages
from vmlab.errors import GuestError, MachineConflictError
from vmlab.upkeep.single_restarts import SingleRestarts
from vmlab_protocol.notices import Notice

SAID = Notice("It has no room.", "Elle n'a pas de place.")


async def over(restarts: SingleRestarts) -> None:
    while restarts.under_way:  # noqa: ASYNC110 - a turn of the loop, not a time
        await asyncio.sleep(0)


async def test_a_machine_is_restarted_once_at_a_time_and_others_beside_it():
    restarts, go, begun = SingleRestarts(), asyncio.Event(), []

    async def restart() -> None:
        begun.append(1)
        await go.wait()

    restarts.begin("node1", restart)
    with pytest.raises(MachineConflictError, match="node1: it is being restarted already"):
        restarts.begin("node1", restart)
    restarts.begin("node2", restart)
    assert restarts.under_way == {"node1", "node2"}
    go.set()
    await over(restarts)
    restarts.begin("node1", restart)
    await over(restarts)
    assert len(begun) == 3
    assert not restarts.failed


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GuestError("node1", "secret of the host", public=SAID), SAID),
        (GuestError("node1", "secret of the host"), messages.NOT_RESTARTED),
        (RuntimeError("secret of the host"), messages.NOT_RESTARTED),
    ],
)
async def test_a_failure_is_told_until_the_next_attempt(error, said):
    restarts = SingleRestarts()

    async def fail() -> None:
        raise error

    async def succeed() -> None:
        pass

    restarts.begin("node1", fail)
    await over(restarts)
    assert restarts.failed == {"node1": said}
    restarts.begin("node1", succeed)
    assert not restarts.failed
    await over(restarts)
    assert not restarts.failed
