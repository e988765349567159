"""Handing the seed to a machine's agent, and listening to how it is applied."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from vmlab import messages
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.qemu.channels.agent import AgentLink
from vmlab_protocol.messages import ANSWERS, GuestMessage, GuestMessageType, HostMessageType
from vmlab_protocol.phases import Phase

_STATUS_PERIOD_S = 5.0


async def await_agent(link: AgentLink, limit_s: float, phase: Phase = Phase.BOOT) -> None:
    """Return when the agent answered.

    Raises:
        MachineTimeoutError: it did not in time.
        GuestError: the machine ended.
    """

    async def ask() -> None:
        # Again now and then: what was said before the agent listened may be lost.
        while True:
            await link.send(HostMessageType.STATUS)
            await asyncio.sleep(_STATUS_PERIOD_S)

    asking = asyncio.create_task(ask())
    try:
        async with asyncio.timeout(limit_s):
            while (await link.receive()).type is not GuestMessageType.STATUS:
                pass
    except TimeoutError as error:
        raise timeout_error(link.name, phase, limit_s) from error
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, GuestError):
            await asking


async def ask_agent(
    link: AgentLink,
    request: HostMessageType,
    wait_s: float,
    phase: Phase = Phase.BOOT,
    **details: object,
) -> GuestMessage:
    """Send a request and return the answer.

    Args:
        link: to the agent.
        request: the message's type; of what the agent says, all but its answer is passed over.
        wait_s: longest wait.
        phase: for the error when it is too late.
        details: what else the message says.

    Raises:
        MachineTimeoutError: it was not in time.
        GuestError: the agent could not do it, or the machine ended.
    """
    await link.send(request, **details)
    try:
        async with asyncio.timeout(wait_s):
            while (message := await link.receive()).type is not ANSWERS[request]:
                if message.type is GuestMessageType.ERROR:
                    raise GuestError(link.name, f"it cannot {request}: {message.text}")
    except TimeoutError as error:
        raise timeout_error(link.name, phase, wait_s) from error
    return message


async def hand_over(
    link: AgentLink, make_line: Callable[[], bytes], limit_s: float
) -> AsyncGenerator[Phase]:
    """Send the seed and yield each phase that the agent begins; return when it is applied.

    Args:
        link: to the agent.
        make_line: makes the seed at the last moment, because it carries the time.
        limit_s: for all phases together.

    Raises:
        MachineTimeoutError: it was not applied in time; names the phase.
        GuestError: the agent could not apply it, or the machine ended.
    """
    await link.send_line(make_line())
    phase = Phase.IDENTITY
    try:
        async with asyncio.timeout(limit_s):
            while (message := await link.receive()).type is not GuestMessageType.SEEDED:
                if message.type is GuestMessageType.ERROR:
                    raise GuestError(
                        link.name,
                        f"the seed could not be applied ({message.phase}): {message.text}",
                        hint=f"vmlab machine console {link.name}",
                        public=messages.SETUP_FAILED,
                    )
                if message.type is GuestMessageType.PHASE and message.phase:
                    phase = message.phase
                    yield phase
    except TimeoutError as error:
        raise timeout_error(link.name, phase, limit_s) from error


def timeout_error(name: str, phase: Phase, limit_s: float) -> MachineTimeoutError:
    """Return the error for a phase that missed its deadline."""
    return MachineTimeoutError(
        name,
        f"no answer within {limit_s:.0f} s in phase {phase.value!r}",
        hint=f"vmlab machine console {name}",
        public=messages.TOO_LATE,
    )
