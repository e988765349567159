"""What machines at work are asked and told: whether somebody works there, a stop, a language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.qemu.channels.agent import connect_agent
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.system.background import apart
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.machine import PLAIN_AFTER_ENDS
from vmlab_protocol.messages import (
    ANSWERS,
    Activity,
    GuestMessage,
    GuestMessageType,
    HostMessageType,
    ServerTrouble,
)
from vmlab_protocol.notices import Language

_ANSWER_LIMIT_S = 5.0
_AT_ONCE = 16


async def ask_activity(folders: Iterable[Machine]) -> Mapping[str, Activity]:
    """Return what each agent says; one that does not answer, or does not know, is left out."""
    slots = asyncio.Semaphore(_AT_ONCE)
    found: dict[str, Activity] = {}

    async def ask(folder: Machine) -> None:
        name = folder.path.name
        async with slots:
            with apart(f"{name}: it is unknown whether somebody works in it"):
                answer = await _ask(folder, HostMessageType.ACTIVITY)
                if answer.activity is not None:
                    found[name] = answer.activity
                await asyncio.to_thread(note_trouble, folder, answer.trouble)

    await asyncio.gather(*(ask(folder) for folder in folders))
    return found


async def warn(folder: Machine, stop_at: float) -> None:
    """Have the machine tell its trainee that it will be stopped, or (0) that it will not.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    await _ask(folder, HostMessageType.WARN, stop_at=round(stop_at))


async def set_language(folder: Machine, language: Language) -> None:
    """Have everything in the machine that speaks to its trainee speak this language.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    await _ask(folder, HostMessageType.LANGUAGE, language=language.value)


async def tell_time(folder: Machine) -> None:
    """Tell a machine that stood still what time it is.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    await _ask(folder, HostMessageType.TIME, time_ns=time.time_ns())


async def ask_trouble(folder: Machine) -> ServerTrouble | None:
    """Return why the machine's server does not come up, and note it for its status.

    Raises:
        GuestError, MachineTimeoutError: the agent does not say.
    """
    said = await _ask(folder, HostMessageType.STATUS)
    await asyncio.to_thread(note_trouble, folder, said.trouble)
    return said.trouble


def note_trouble(folder: Machine, trouble: ServerTrouble | None) -> None:
    """Note why the server does not come up; one end is not news yet.

    Raises:
        OSError: the file system refused.
    """
    if trouble is None or trouble.ends < PLAIN_AFTER_ENDS:
        folder.server_problem.unlink(missing_ok=True)
        return
    times = f"ended {trouble.ends} times before it was ready"
    plain = ", and is started without the trainee's settings" if trouble.is_plain else ""
    said = f": {trouble.line}" if trouble.line else ""
    text = f"JupyterLab {times}{plain}{said}".encode()
    if not folder.server_problem.exists() or folder.server_problem.read_bytes() != text:
        write_atomic(folder.server_problem, text)


async def _ask(folder: Machine, request: HostMessageType, **details: object) -> GuestMessage:
    """Send a message and return its answer; QEMU lets one caller in at a time."""
    name = folder.path.name
    try:
        async with (
            asyncio.timeout(_ANSWER_LIMIT_S),
            connect_agent(name, folder.agent) as link,
        ):
            await link.send(request, **details)
            while (said := await link.receive()).type is not ANSWERS[request]:
                if said.type is GuestMessageType.ERROR:
                    raise GuestError(name, f"its agent cannot {request}: {said.text}")
            return said
    except TimeoutError as error:
        raise MachineTimeoutError(
            name, f"its agent did not answer {request.value!r} within {_ANSWER_LIMIT_S:.0f} s"
        ) from error
