"""When a machine is ready, by a command in it: asked until it is, or until its time is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.looked_at import LookedAt
from vmlab.errors import (
    GuestError,
    MachineConflictError,
    MachineTimeoutError,
    UnsupportedError,
)
from vmlab.groups.facts import Member
from vmlab.groups.ready import ready_command, wait_until_ready
from vmlab.lab.machines import Readiness
from vmlab.model import Features, MachineSpec, MachineState, MachineStatus
from vmlab.providers.base import Ran

NAME = "node1-ada-0"


class Machine(LookedAt):
    """A provider with one machine, whose commands end as the test says."""

    def __init__(self, *answers: Ran | Exception, state: MachineState = MachineState.RUNNING):
        self._answers: Iterator[Ran | Exception] = iter(answers)
        self.state = state
        self.asked: list[str] = []

    async def status(self, names=None):
        return {NAME: MachineStatus(NAME, self.state, problem="it broke")}

    async def run(self, name: str, command: str, *, limit_s: float) -> Ran:
        self.asked.append(command)
        answer = next(self._answers, Ran(1, "not yet"))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Silent(LookedAt):
    """A provider that runs no commands."""

    features = Features(name="silent")


def member(ready: Readiness | None) -> Member:
    spec = MachineSpec(NAME, "ada", "desk", 512, 1, internet=False, volume=None)
    return Member("node1", spec, ready=ready)


async def test_a_machine_of_which_nothing_is_said_is_ready():
    await wait_until_ready(Silent(), member(None))


async def test_it_is_asked_until_the_command_ends_well():
    hung = MachineTimeoutError(NAME, "it hung")
    busy = GuestError(NAME, "the agent talks to somebody else")
    machine = Machine(Ran(1, ""), hung, busy, Ran(0, ""))
    await wait_until_ready(machine, member(Readiness(command="test -e /x")), poll_s=0)
    assert machine.asked == ["test -e /x"] * 4


def test_a_port_is_asked_for_by_a_command() -> None:
    assert ready_command(Readiness(port=22)) == "ss -Hltn 'sport = :22' | grep -q ."


async def test_one_that_never_gets_ready_is_told_with_its_last_words():
    ready = Readiness(port=9000, within_s=0.01)
    with pytest.raises(MachineTimeoutError, match="within 0 s by port 9000") as caught:
        await wait_until_ready(Machine(), member(ready), poll_s=0)
    assert "status 1: not yet" in caught.value.message
    assert caught.value.public is not None
    assert "node1 was not ready in time" in caught.value.public.en
    assert "node1 n'était pas prête à temps" in caught.value.public.fr


async def test_one_that_ended_is_not_waited_for():
    machine = Machine(state=MachineState.STOPPED)
    with pytest.raises(MachineConflictError, match="ended before it was ready: it broke"):
        await wait_until_ready(machine, member(Readiness(port=1)), poll_s=0)


async def test_where_nobody_can_ask_the_lab_is_told():
    with pytest.raises(UnsupportedError, match="silent runs no commands") as caught:
        await wait_until_ready(Silent(), member(Readiness(port=1)))
    assert "remove `ready` of node1" in caught.value.hint
