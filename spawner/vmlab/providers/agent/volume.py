"""The agent's part of work on the volume of a machine that runs.

The agent freezes the file system, the engine works on the disk, the agent thaws: the host never
reads what a trainee wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from vmlab.errors import GuestError
from vmlab.providers.agent.handover import await_agent
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.base import AgentStream
from vmlab_protocol.messages import HostMessageType
from vmlab_protocol.phases import Phase

FREEZE_LIMIT_S = 10
"""After so long the agent thaws by itself: a hub that dies must not leave a machine frozen."""

_ANSWER_LIMIT_S = 30.0
_FREEZE_ANSWER_LIMIT_S = 20.0  # it writes out what is in memory first
_GROW_LIMIT_S = 300.0
_MOUNT_LIMIT_S = 60.0
_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def working(stream: AgentStream, doing: str) -> AsyncGenerator[AgentLink]:
    """Speak with an agent that answers.

    Args:
        stream: to the agent of a machine at work.
        doing: for the error when the machine ends meanwhile.

    Raises:
        MachineTimeoutError: it does not answer.
        GuestError: the machine ended.
    """
    async with AgentLink(stream, doing) as link:
        # What an earlier conversation left unread comes before the answer to this.
        await await_agent(link, _ANSWER_LIMIT_S, Phase.VOLUME)
        yield link


@contextlib.asynccontextmanager
async def frozen(link: AgentLink) -> AsyncGenerator[None]:
    """Have nothing written to the volume meanwhile; whatever happens, it is thawed.

    Raises:
        GuestError: it cannot be frozen, or did not stay so: what was done meanwhile is not whole.
        MachineTimeoutError: the agent does not answer.
    """
    try:
        freeze = HostMessageType.FREEZE
        await link.ask(freeze, _FREEZE_ANSWER_LIMIT_S, limit_s=FREEZE_LIMIT_S)
        yield
        thawed = await link.ask(HostMessageType.THAW, _ANSWER_LIMIT_S)
    except BaseException:
        await asyncio.shield(_thaw(link))
        raise
    if not thawed.was_frozen:
        raise GuestError(
            link.name,
            f"its file systems did not stay frozen for the {FREEZE_LIMIT_S} s that a snapshot may "
            "take",
            hint="the host is very busy; try again",
        )


async def _thaw(link: AgentLink) -> None:
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            await link.send(HostMessageType.THAW)
    except (GuestError, TimeoutError) as error:
        _log.debug("%s is not told to thaw, and does so by itself: %r", link.name, error)


async def grow_file_system(link: AgentLink) -> None:
    """Have the file system made as large as its disk; raises as `AgentLink.ask`."""
    await link.ask(HostMessageType.GROW, _GROW_LIMIT_S)


async def mount_snapshot(link: AgentLink, snapshot: str) -> None:
    """Have the snapshot's disk mounted, in place of another one; raises as `AgentLink.ask`."""
    await link.ask(HostMessageType.SHOW, _MOUNT_LIMIT_S, id=snapshot)


async def unmount_snapshot(link: AgentLink) -> None:
    """Have it unmounted, even while it is in use; raises as `AgentLink.ask`."""
    await link.ask(HostMessageType.HIDE, _MOUNT_LIMIT_S)
