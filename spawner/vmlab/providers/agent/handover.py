"""Handing the seed to a machine's agent, and listening to how it is applied."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable

from vmlab import messages
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.agent.link import AgentLink
from vmlab.seed import Identity, Seed, make_seed_message
from vmlab_protocol.messages import GuestMessageType, HostMessageType, Reason
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed import RANDOM_BYTES, EventNetwork, Mount, Network

_STATUS_PERIOD_S = 5.0
_PUBLIC = {Reason.HOME_AWAY: messages.HOME_AWAY}


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
        raise _timeout_error(link, phase, limit_s) from error
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, GuestError):
            await asking


def seed_maker(
    seed: Seed,
    identity: Identity,
    *,
    host_name: str,
    network: Network,
    mounts: tuple[Mount, ...],
    event: EventNetwork | None = None,
) -> Callable[[], bytes]:
    """Return what makes the seed's line when it is sent: it carries the time, and is fresh.

    Args:
        seed: of the trainee's server.
        identity: of the machine.
        host_name, network, mounts, event: where the engine has put it.
    """

    def make_line() -> bytes:
        return make_seed_message(
            seed,
            identity,
            host_name=host_name,
            network=network,
            mounts=mounts,
            event=event,
            randomness=secrets.token_bytes(RANDOM_BYTES),
            now_ns=time.time_ns(),
        )

    return make_line


async def hand_over(
    link: AgentLink, make_line: Callable[[], bytes], limit_s: float
) -> AsyncGenerator[Phase]:
    """Send the seed and yield each phase that the agent begins; return when it is applied.

    Args:
        link: to the agent.
        make_line: makes the seed at the last moment (`seed_maker`).
        limit_s: for the seed and all phases together.

    Raises:
        MachineTimeoutError: it was not applied in time; names the phase.
        GuestError: the agent could not apply it, or the machine ended.
    """
    phase = Phase.IDENTITY
    try:
        async with asyncio.timeout(limit_s):
            await link.send_line(make_line())
            while (message := await link.receive()).type is not GuestMessageType.SEEDED:
                if message.type is GuestMessageType.ERROR:
                    public = _PUBLIC[message.reason] if message.reason else messages.SETUP_FAILED
                    raise GuestError(
                        link.name,
                        f"the seed could not be applied ({message.phase}): {message.text}",
                        hint=f"vmlab machine console {link.name}",
                        public=public,
                    )
                if message.type is GuestMessageType.PHASE and message.phase:
                    phase = message.phase
                    yield phase
    except TimeoutError as error:
        raise _timeout_error(link, phase, limit_s) from error


def _timeout_error(link: AgentLink, phase: Phase, limit_s: float) -> MachineTimeoutError:
    return MachineTimeoutError(
        link.name,
        f"no answer within {limit_s:.0f} s in phase {phase.value!r}",
        hint=f"vmlab machine console {link.name}",
        public=messages.TOO_LATE if link.is_start else None,
    )
