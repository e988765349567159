"""The event's server is started again as soon as it has ended while somebody is at work."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import cast

import pytest

from vmlab.errors import HostError
from vmlab.groups.rules import group_rules
from vmlab.lab.lab import parse_lab
from vmlab.model import MachineState, MachineStatus
from vmlab.spawning.shared_server import Crowd, shared_start
from vmlab.spawning.starter import Starter
from vmlab.upkeep.event_server import EventServer
from vmlab.upkeep.reconcile.facts import Seat

ON, OFF = MachineState.RUNNING, MachineState.STOPPED


class Machine:
    """One machine, its provider and its starter."""

    def __init__(self) -> None:
        self.state = ON
        self.asked = self.starts = 0
        self.error: HostError | None = None
        self.provider = self

    async def status(self, names):
        self.asked += 1
        return {name: MachineStatus(name, self.state, problem="power lost") for name in names}

    async def start(self, spec, seed, track, settle, *, kind):
        self.starts += 1
        if self.error:
            raise self.error
        self.state = ON

    async def note_serving(self, name):
        """Do nothing: whether it serves is not asked here."""

    async def stop(self, name, *, now):
        self.state = OFF


class Class:
    """An event with one seat."""

    def __init__(self, name: str, tmp_path: Path) -> None:
        rules = group_rules(parse_lab(f'[lab]\nname = "{name}"\n[server]', tmp_path / "lab.toml"))
        self.machine = Machine()
        self.seat = Seat("ada", "", "desk-ada", ready=True)
        database = tmp_path / "vmlab.sqlite"
        starter = cast("Starter", self.machine)
        self.server = EventServer(rules, starter, database, "en", lambda: [self.seat])

    async def look(self) -> None:
        """Look once, and wait for what that began."""
        await self.server.look()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others) if others else None


@pytest.fixture
def event(request, tmp_path) -> Class:
    name = request.node.name.replace("_", "-").replace("test-", "")[:30].strip("-")
    return Class(name, tmp_path)


async def test_one_that_runs_is_left_alone(event):
    await event.look()
    await event.look()
    assert (event.machine.asked, event.machine.starts) == (2, 0)


async def test_one_that_has_ended_is_started_at_the_next_look(event, caplog):
    await event.look()
    event.machine.state = OFF
    with caplog.at_level(logging.WARNING):
        await event.look()
    assert (event.machine.state, event.machine.starts) == (ON, 1)
    assert "it ended (power lost), and 1 servers need it: started again" in caplog.text


async def test_one_that_somebody_restarts_has_not_ended(event, caplog):
    await event.look()
    gate = asyncio.Event()

    async def restart(_: Crowd) -> None:
        await gate.wait()
        event.machine.state = ON

    restarting = asyncio.create_task(shared_start(event.server.machine).wait(restart))
    await asyncio.sleep(0)
    event.machine.state = OFF
    await event.server.look()
    gate.set()
    await restarting
    await event.look()
    assert event.machine.starts == 0
    assert caplog.text == ""


async def test_nobody_s_server_is_neither_asked_for_nor_started(event):
    await event.look()
    event.seat = Seat("ada", "", "desk-ada")
    event.machine.state, event.machine.asked = OFF, 0
    await event.look()
    assert (event.machine.asked, event.machine.starts) == (0, 0)
    # Somebody comes, whose start is what starts it.
    event.seat = Seat("ada", "", "desk-ada", ready=True)
    await event.look()
    assert event.machine.starts == 0


async def test_one_that_does_not_start_is_left_to_the_rounds_of_the_reconciler(event):
    await event.look()
    event.machine.state, event.machine.error = OFF, HostError("no memory")
    for _ in range(5):
        await event.look()
    assert event.machine.starts == 1


async def test_one_that_ends_again_and_again_stays_off_and_that_is_said_once(event, caplog):
    for _ in range(6):
        event.machine.state = ON
        await event.look()
        event.machine.state = OFF
        await event.look()
    assert event.machine.starts == 3
    assert caplog.text.count("not started again: it ended too often") == 1
