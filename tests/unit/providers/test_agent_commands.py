"""A command by a machine's agent, from the hub's side: an agent may say what it likes, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.agent import commands
from vmlab.providers.agent.commands import run_command
from vmlab.providers.base import Ran
from vmlab_protocol.commands import RunReport
from vmlab_protocol.messages import GuestMessage, GuestMessageType

LIMIT_S = 60
LATE = MachineTimeoutError("desk-ada-0", "its agent did not answer 'run' within 5 s")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(commands, "_PAUSE_MAX_S", 0.0)
    monkeypatch.setattr(commands, "_PAUSE_FIRST_S", 0.0)


class Agent:
    """Answers with what it is given, then for ever with the last of it."""

    def __init__(self, *answers: Any) -> None:
        self.heard: list[dict[str, Any]] = []
        self.hangs = asyncio.Event()
        self._answers = list(answers)

    async def ask(self, **details: Any) -> GuestMessage:
        self.heard.append(details)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer == "hang":
            self.hangs.set()
            await asyncio.Event().wait()
        report = RunReport(**{"id": details["id"], **answer}) if answer is not None else None
        return GuestMessage(GuestMessageType.RAN, report=report)


def run(agent: Agent, command: str = "make it", limit_s: float = LIMIT_S) -> Any:
    return run_command(agent.ask, "desk-ada-0", command, limit_s)


async def test_it_is_begun_once_and_asked_about_until_it_has_ended():
    agent = Agent({}, {}, {"status": 3, "output": "no such file\n"})
    assert await run(agent) == Ran(3, "no such file\n")
    begin, *asked = agent.heard
    assert begin == {"id": begin["id"], "command": "make it", "limit_s": LIMIT_S}
    assert asked == [{"id": begin["id"]}] * 2


async def test_no_answer_in_time_is_no_news():
    agent = Agent(LATE, LATE, {}, LATE, {"status": 0})
    assert (await run(agent)).status == 0
    assert ["command" in said for said in agent.heard] == [True, False, False, False, False]


async def test_a_report_of_another_command_is_no_news():
    agent = Agent({"id": "f" * 32, "status": 0}, None, {"status": 1})
    assert (await run(agent)).status == 1


async def test_what_the_agent_refuses_is_an_error():
    with pytest.raises(GuestError, match="desk-ada-0: its agent did not run a command: 8 run"):
        await run(Agent({"refused": "8 run in this machine already"}))
    with pytest.raises(GuestError, match="knows no such command"):
        await run(Agent({}, {"refused": "the agent knows no such command (any more)"}))


async def test_a_machine_that_ends_meanwhile_is_an_error():
    with pytest.raises(GuestError, match="the machine ended"):
        await run(Agent({}, GuestError("desk-ada-0", "the machine ended while it was asked")))


async def test_a_command_that_was_killed_at_its_limit_is_told_with_the_end_of_what_it_said():
    output = "".join(f"line {number}\n" for number in range(30))
    with pytest.raises(MachineTimeoutError) as caught:
        await run(Agent({}, {"status": 137, "is_late": True, "output": output}), "a\nb")
    assert caught.value.message.startswith("desk-ada-0: `a…` took longer than 60 s and was killed")
    assert caught.value.message.endswith("it printed last:\n" + output[-80:].strip())
    assert "line 19" not in caught.value.message


@pytest.mark.attack("jobs.own-machine", "an agent never tells how a command ended")
async def test_an_agent_that_never_tells_is_not_waited_for_without_end(monkeypatch, tried):
    monkeypatch.setattr(commands, "GRACE_S", 0.05)
    for answer in ({}, "hang", LATE):
        with pytest.raises(MachineTimeoutError, match="did not tell within 0 s how `make it`"):
            await run(Agent({}, answer), limit_s=0.01)
    tried(3)


async def test_a_caller_that_is_cancelled_has_it_killed():
    agent = Agent({}, "hang", {})
    task = asyncio.create_task(run(agent))
    await agent.hangs.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.heard[-1] == {"id": agent.heard[0]["id"], "stop": True}


async def test_a_machine_that_cannot_be_told_to_stop_does_not_hide_the_cancelling(caplog):
    gone = GuestError("desk-ada-0", "the machine does not run")
    task = asyncio.create_task(run(agent := Agent({}, "hang", gone)))
    await agent.hangs.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "goes on until its limit" in caplog.text


WRONG: Iterable[tuple[str, float]] = [
    ("", 1),
    ("a\0", 1),
    ("x" * 2**17, 1),
    ("true", 0),
    ("true", 1e9),
]


@pytest.mark.parametrize(("command", "limit_s"), WRONG)
async def test_what_no_agent_would_take_is_not_sent(command, limit_s):
    agent = Agent({"status": 0})
    with pytest.raises(GuestError, match="desk-ada-0: a command"):
        await run(agent, command, limit_s)
    assert agent.heard == []
