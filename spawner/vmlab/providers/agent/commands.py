"""A command in a machine, by its agent: begun in one short conversation, asked about in others.

So whoever else has to speak with the agent comes in between, however long the command takes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.base import Ran
from vmlab.system.background import apart
from vmlab_protocol.commands import MAX_COMMAND_BYTES, MAX_RUN_S, RunReport
from vmlab_protocol.messages import GuestMessage

Ask = Callable[..., Awaitable[GuestMessage]]
"""Says `run` to the agent, with the rest of the message, and returns what it answers."""

GRACE_S = 30.0
"""How long an agent may take to tell that it has killed a command: emulated machines are slow."""

_STOP_LIMIT_S = 5.0
_PAUSE_FIRST_S, _PAUSE_MAX_S = 0.05, 2.0
_SHOWN_CHARS = 80
_SHOWN_LINES = 10


async def run_command(ask: Ask, name: str, command: str, limit_s: float) -> Ran:
    """Have the command run and wait for its end; when the caller is cancelled, it is killed.

    Args:
        ask: says `run` to the machine's agent.
        name: the machine's.
        command: for `/bin/sh -c`.
        limit_s: longest time that it may take, from its begin.

    Raises:
        GuestError: the machine does not run, or its agent did not run the command.
        MachineTimeoutError: it took longer and was killed, or the agent fell silent.
    """
    if not command or "\0" in command or len(command.encode()) > MAX_COMMAND_BYTES:
        what = f"a command of {len(command.encode())} bytes, with no NUL byte,"
        raise GuestError(name, f"{what} cannot be run: 1 to {MAX_COMMAND_BYTES} are possible")
    if not 0 < limit_s <= MAX_RUN_S:
        raise GuestError(name, f"a command may take up to {MAX_RUN_S:g} s, not {limit_s:g} s")
    run_id = secrets.token_hex(16)
    try:
        async with asyncio.timeout(limit_s + GRACE_S):
            report = await _run_to_its_end(ask, name, command, limit_s, run_id)
    except TimeoutError as error:
        waited_s = limit_s + GRACE_S
        words = f"its agent did not tell within {waited_s:.0f} s how {_show(command)} ended"
        hint = f"vmlab machine console {name}"
        raise MachineTimeoutError(name, words, hint=hint) from error
    except asyncio.CancelledError:
        await asyncio.shield(_stop(ask, name, run_id))
        raise
    if report.is_late or report.status is None:
        raise _late_error(name, command, limit_s, report)
    return Ran(report.status, report.output)


async def _run_to_its_end(
    ask: Ask, name: str, command: str, limit_s: float, run_id: str
) -> RunReport:
    report = await _say(ask, name, run_id, command=command, limit_s=limit_s)
    pause_s = _PAUSE_FIRST_S
    while report is None or report.status is None:
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _PAUSE_MAX_S)
        report = await _say(ask, name, run_id)
    return report


async def _say(ask: Ask, name: str, run_id: str, **details: object) -> RunReport | None:
    """Return what the agent reports; None: no news, since it is busy or speaks of another one."""
    try:
        report = (await ask(id=run_id, **details)).report
    except MachineTimeoutError:
        return None
    if report is None or report.id != run_id:
        return None
    if report.refused:
        raise GuestError(
            name,
            f"its agent did not run a command: {report.refused}",
            hint="an agent that was restarted knows no command of before: run it again",
        )
    return report


async def _stop(ask: Ask, name: str, run_id: str) -> None:
    with apart(f"{name}: a command that nobody waits for goes on until its limit"):
        async with asyncio.timeout(_STOP_LIMIT_S):
            await ask(id=run_id, stop=True)


def _late_error(name: str, command: str, limit_s: float, report: RunReport) -> MachineTimeoutError:
    said = "\n".join(report.output.splitlines()[-_SHOWN_LINES:])
    printed = f"; it printed last:\n{said}" if said else ""
    words = f"{_show(command)} took longer than {limit_s:g} s and was killed{printed}"
    return MachineTimeoutError(name, words)


def _show(command: str) -> str:
    shown = command.strip().split("\n", 1)[0][:_SHOWN_CHARS]
    return f"`{shown}{'…' if shown != command.strip() else ''}`"
