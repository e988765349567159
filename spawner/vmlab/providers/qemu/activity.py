"""What machines at work are asked and told: whether somebody works there, a stop, a language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from vmlab.background import apart
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.model import Activity, Language
from vmlab.providers.qemu.agent import GuestMessage, GuestMessageType, connect_agent
from vmlab.providers.qemu.layout import MachineFolder

_ANSWER_LIMIT_S = 5.0
_AT_ONCE = 16


async def ask_activity(folders: Iterable[MachineFolder]) -> Mapping[str, Activity]:
    """Return what each agent says; one that does not answer, or does not know, is left out."""
    slots = asyncio.Semaphore(_AT_ONCE)
    found: dict[str, Activity] = {}

    async def ask(folder: MachineFolder) -> None:
        name = folder.path.name
        async with slots:
            with apart(f"{name}: it is unknown whether somebody works in it"):
                answer = await _ask(folder, {"type": "activity"}, GuestMessageType.ACTIVITY)
                if answer.activity is not None:
                    found[name] = answer.activity

    await asyncio.gather(*(ask(folder) for folder in folders))
    return found


async def warn(folder: MachineFolder, stop_at: float) -> None:
    """Have the machine tell its trainee that it will be stopped, or (0) that it will not.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    message = {"type": "warn", "stop_at": round(stop_at)}
    await _ask(folder, message, GuestMessageType.WARNED)


async def set_language(folder: MachineFolder, language: Language) -> None:
    """Have everything in the machine that speaks to its trainee speak this language.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    message = {"type": "language", "language": language.value}
    await _ask(folder, message, GuestMessageType.SPEAKS)


async def _ask(
    folder: MachineFolder, message: dict[str, Any], answer: GuestMessageType
) -> GuestMessage:
    """Send a message and return the answer of this type; QEMU lets one caller in at a time."""
    name = folder.path.name
    try:
        async with (
            asyncio.timeout(_ANSWER_LIMIT_S),
            connect_agent(name, folder.agent) as link,
        ):
            await link.send(message)
            while (said := await link.receive()).type is not answer:
                if said.type is GuestMessageType.ERROR:
                    raise GuestError(name, f"its agent cannot {message['type']}: {said.text}")
            return said
    except TimeoutError as error:
        raise MachineTimeoutError(
            name, f"its agent did not answer {message['type']!r} within {_ANSWER_LIMIT_S:.0f} s"
        ) from error
