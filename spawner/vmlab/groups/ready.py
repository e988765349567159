"""Waiting until a machine is ready for those that come after it, by a command run in it."""

from __future__ import annotations

import asyncio

from vmlab import messages
from vmlab.errors import (
    GuestError,
    MachineConflictError,
    MachineTimeoutError,
    UnsupportedError,
)
from vmlab.groups.facts import Member
from vmlab.lab.machines import Readiness
from vmlab.providers.base import Ran, RunsCommands, TellsStates

_POLL_S = 1.0
_COMMAND_LIMIT_S = 20.0
_SHOWN = 300


def ready_command(ready: Readiness) -> str:
    """Return what ends with status 0 in a machine that is ready."""
    return ready.command or f"ss -Hltn 'sport = :{ready.port}' | grep -q ."


async def wait_until_ready(provider: TellsStates, member: Member, poll_s: float = _POLL_S) -> None:
    """Return when the machine is ready; at once where the lab does not say when that is.

    Raises:
        UnsupportedError: the provider can run no command in it.
        MachineTimeoutError: it was not ready in time; carries what the command said last.
        MachineConflictError: it ended.
    """
    ready, name = member.ready, member.spec.name
    if ready is None:
        return
    if not isinstance(provider, RunsCommands):
        raise UnsupportedError(
            name,
            f"provider {provider.features.name} runs no commands in machines, so nobody can tell "
            "when it is ready",
            hint=f"remove `ready` of {member.label} from lab.toml, or use another provider",
        )
    command, said = ready_command(ready), "it was never asked"
    try:
        async with asyncio.timeout(ready.within_s):
            while (ran := await _look(provider, name, command)).status != 0:
                said = f"status {ran.status}: {ran.output[-_SHOWN:].strip()}"
                await _require_running(provider, name)
                await asyncio.sleep(poll_s)
    except TimeoutError as error:
        what = f"port {ready.port}" if ready.port else repr(ready.command[:_SHOWN])
        raise MachineTimeoutError(
            name,
            f"not ready within {ready.within_s:.0f} s by {what}; the last look said {said}",
            hint=f"vmlab machine console {name}; what `ready` asks for is in lab.toml",
            public=messages.not_ready(member.label),
        ) from error


async def _look(provider: RunsCommands, name: str, command: str) -> Ran:
    """Run the command once; one that hangs or could not be run has failed."""
    try:
        return await provider.run(name, command, limit_s=_COMMAND_LIMIT_S)
    except (GuestError, MachineTimeoutError) as error:
        return Ran(-1, error.message)


async def _require_running(provider: TellsStates, name: str) -> None:
    status = (await provider.status([name]))[name]
    if not status.state.is_on:
        raise MachineConflictError(
            name,
            f"it ended before it was ready: {status.problem or status.state}",
            hint=f"vmlab machine console {name}",
            public=messages.WENT_OFF,
        )
