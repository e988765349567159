"""What agents would say and do: activity, warnings, trouble of a server, languages, commands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from vmlab.errors import GuestError, MachineNotFoundError, MachineTimeoutError
from vmlab.model import MachineState
from vmlab.providers.base import Ran
from vmlab.providers.fake.faults import read_faults
from vmlab.providers.fake.machines import FakeMachines
from vmlab_protocol.messages import Activity, ServerTrouble
from vmlab_protocol.notices import Language
from vmlab_protocol.share import Roster

_log = logging.getLogger(__name__)


class AgentsOfFake(FakeMachines):
    """What `FakeProvider` has of agents: it keeps all that `AsksAgents` does for others."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.warned: dict[str, float] = {}  # machine → when it will be stopped
        self.languages: dict[str, str] = {}  # of machines, by name
        self.ran: list[tuple[str, str]] = []  # machine and command
        self.rosters: dict[str, Roster] = {}  # of file servers, by name

    async def activity(self, names: Iterable[str]) -> Mapping[str, Activity]:
        """Return what `fake.json` says, else that nobody did anything since the start."""
        idle_s = (await asyncio.to_thread(read_faults, self._state)).idle_s
        found = {}
        for name in names:
            machine = self._machines.get(name)
            if machine is not None and machine.status.state is MachineState.RUNNING:
                since_s = time.time() - machine.status.since
                found[name] = Activity(idle_s.get(machine.status.owner, since_s))
        return found

    async def warn(self, name: str, stop_at: float) -> None:
        """Note the warning, and tell it in the log."""
        if name not in self._machines:
            raise MachineNotFoundError(name, "it cannot be warned: it does not exist")
        self.warned[name] = stop_at
        _log.warning("%s: warned, stop at %.0f", name, stop_at)

    async def server_trouble(self, name: str) -> ServerTrouble | None:
        """Return what `fake.json` says; a server in trouble serves as soon as it is plain."""
        machine = self._machines.get(name)
        if machine is None:
            raise MachineNotFoundError(name, "it cannot be asked: it does not exist")
        faults = await asyncio.to_thread(read_faults, self._state)
        said = faults.trouble.get(machine.status.owner)
        trouble = ServerTrouble(**said) if said else None
        problem = f"JupyterLab ended {trouble.ends} times: {trouble.line}" if trouble else ""
        status = replace(machine.status, problem=problem)
        self._machines[name] = replace(machine, status=status)
        if machine.prefix and (trouble is None or trouble.is_plain):
            self._served.add(machine.prefix)
        return trouble

    async def set_language(self, name: str, language: Language) -> None:
        """Note the language, and tell it in the log."""
        machine = self._machines.get(name)
        if machine is None or machine.status.state is not MachineState.RUNNING:
            raise MachineNotFoundError(name, "it speaks no language: it does not run")
        self._speak(name, language)

    async def run(self, name: str, command: str, *, limit_s: float) -> Ran:
        """Return how `fake.json` says (`runs`) that it ended, of this machine or this command."""
        machine = self._machines.get(name)
        if machine is None or machine.status.state is not MachineState.RUNNING:
            raise GuestError(name, "nothing can be run in it: it does not run")
        self.ran.append((name, command))
        _log.warning("%s: runs %s", name, command)
        runs = (await asyncio.to_thread(read_faults, self._state)).runs
        ended = dict(runs.get(name) or runs.get(command) or {})
        if ended.pop("hangs", False):
            await asyncio.sleep(limit_s)
            raise MachineTimeoutError(name, f"{command!r} took longer than {limit_s:g} s")
        return Ran(**{"status": 0, "output": "", **ended})

    async def serve_files(self, name: str, roster: Roster) -> int:
        """Note the roster, unless a later one is served."""
        machine = self._machines.get(name)
        if machine is None or machine.status.state is not MachineState.RUNNING:
            raise GuestError(name, "it serves no files: it does not run")
        held = self.rosters.get(name, roster)
        if held.serial == roster.serial and held != roster:
            raise GuestError(name, f"another roster with the serial {roster.serial} is served")
        self.rosters[name] = max(held, roster, key=lambda each: each.serial)
        return self.rosters[name].serial

    def _speak(self, name: str, language: str) -> None:
        self.languages[name] = language
        _log.warning("%s: speaks %s", name, language)
