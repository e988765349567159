"""The machines in memory, which the parts of the fake provider share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import MachineConflictError, MachineNotFoundError
from vmlab.model import MachineState, MachineStatus


@dataclass(frozen=True)
class FakeMachine:
    """One machine that does not exist."""

    status: MachineStatus
    prefix: str = ""
    console: str = ""


class FakeMachines:
    """All of them, by name.

    Args:
        state: where `fake.json` is.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._machines: dict[str, FakeMachine] = {}
        self._served: set[str] = set()  # the prefixes of running machines

    def _check_runs(self, machine: str, *, or_starts: bool = False) -> None:
        found = self._machines.get(machine)
        if found is None:
            raise MachineNotFoundError(machine, "there is no such machine")
        state = found.status.state
        if state is not MachineState.RUNNING and not (or_starts and state.is_on):
            raise MachineConflictError(machine, f"it must run for this: {state}")
