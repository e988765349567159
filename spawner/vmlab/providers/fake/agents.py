"""What agents would say and do: activity, warnings, trouble of a server, languages."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from vmlab.errors import MachineNotFoundError
from vmlab.model import MachineState
from vmlab.providers.fake.faults import read_faults
from vmlab.providers.fake.machines import FakeMachines
from vmlab_protocol.messages import Activity, ServerTrouble
from vmlab_protocol.notices import Language

_log = logging.getLogger(__name__)


class AgentsOfFake(FakeMachines):
    """The methods of `ReportsActivity`, `ReportsServer`, `SpeaksLanguages` of `FakeProvider`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.warned: dict[str, float] = {}  # machine → when it will be stopped
        self.languages: dict[str, str] = {}  # of machines, by name

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

    def _speak(self, name: str, language: str) -> None:
        self.languages[name] = language
        _log.warning("%s: speaks %s", name, language)
