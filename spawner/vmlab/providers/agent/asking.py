"""What machines at work are asked and told: whether somebody works there, a stop, a language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import partial

from vmlab.providers.agent.commands import run_command
from vmlab.providers.agent.link import AgentLink, no_answer_error
from vmlab.providers.base import Ran, ReachesAgents
from vmlab.system.background import apart
from vmlab_protocol.machine import PLAIN_AFTER_ENDS
from vmlab_protocol.messages import Activity, GuestMessage, HostMessageType, ServerTrouble
from vmlab_protocol.notices import Language
from vmlab_protocol.share import Roster, roster_json

_ANSWER_LIMIT_S = 5.0
_SERVE_LIMIT_S = 120.0  # two folders for each person, and a server that starts
_AT_ONCE = 16


class AsksAgents(ReachesAgents):
    """For a provider to derive from: with its stream, all that the core wants of agents.

    It keeps `ReportsActivity`, `ReportsServer`, `SpeaksLanguages`, `RunsCommands`, `ServesFiles`
    and `TakesKeys` of `vmlab.providers.base`.
    """

    async def activity(self, names: Iterable[str]) -> Mapping[str, Activity]:
        """Ask the agents (contract: `ReportsActivity.activity`)."""
        slots = asyncio.Semaphore(_AT_ONCE)
        found: dict[str, Activity] = {}

        async def ask_one(name: str) -> None:
            async with slots:
                with apart(f"{name}: it is unknown whether somebody works in it"):
                    answer = await ask(self, name, HostMessageType.ACTIVITY)
                    if answer.activity is not None:
                        found[name] = answer.activity
                    await self.note_trouble(name, describe_trouble(answer.trouble))

        await asyncio.gather(*(ask_one(name) for name in names))
        return found

    async def warn(self, name: str, stop_at: float) -> None:
        """Have the machine warn its trainee (contract: `ReportsActivity.warn`)."""
        await ask(self, name, HostMessageType.WARN, stop_at=round(stop_at))

    async def server_trouble(self, name: str) -> ServerTrouble | None:
        """Ask the agent (contract: `ReportsServer.server_trouble`)."""
        said = await ask(self, name, HostMessageType.STATUS)
        await self.note_trouble(name, describe_trouble(said.trouble))
        return said.trouble

    async def set_language(self, name: str, language: Language) -> None:
        """Have the machine speak this language (contract: `SpeaksLanguages.set_language`)."""
        await ask(self, name, HostMessageType.LANGUAGE, language=language.value)

    async def run(self, name: str, command: str, *, limit_s: float) -> Ran:
        """Have the agent run it (contract: `RunsCommands.run`)."""
        say = partial(ask, self, name, HostMessageType.RUN)
        return await run_command(say, name, command, limit_s)

    async def serve_files(self, name: str, roster: Roster) -> int:
        """Tell a file server who has which folder (contract: `ServesFiles.serve_files`)."""
        answer = await ask(
            self, name, HostMessageType.SERVE, wait_s=_SERVE_LIMIT_S, **roster_json(roster)
        )
        return answer.serial

    async def set_keys(self, name: str, keys: tuple[str, ...]) -> None:
        """Have the machine let these keys in (contract: `TakesKeys.set_keys`)."""
        await ask(self, name, HostMessageType.KEYS, keys=list(keys))


async def tell_time(provider: ReachesAgents, name: str) -> None:
    """Tell a machine that stood still what time it is.

    Raises:
        GuestError, MachineTimeoutError: the agent did not take it.
    """
    await ask(provider, name, HostMessageType.TIME, time_ns=time.time_ns())


async def ask(
    provider: ReachesAgents,
    name: str,
    request: HostMessageType,
    *,
    wait_s: float = _ANSWER_LIMIT_S,
    **details: object,
) -> GuestMessage:
    """Ask one thing of a machine at work, whoever else speaks with its agent meanwhile.

    Args:
        provider, name: of the machine.
        request: the message's type.
        wait_s: for the way to the agent and its answer.
        details: what else the message says.

    Raises:
        GuestError: the agent cannot do it, or the machine does not run.
        MachineTimeoutError: it does not answer; perhaps it is busy with another conversation.
    """
    try:
        async with asyncio.timeout(wait_s):
            stream = await provider.open_agent(name)
            async with AgentLink(stream, f"{request.value!r} was asked of it") as link:
                return await link.ask(request, wait_s, **details)
    except TimeoutError as error:
        raise no_answer_error(name, request, wait_s) from error


def describe_trouble(trouble: ServerTrouble | None) -> str:
    """Return why the server does not come up, for the machine's status; one end is not news yet."""
    if trouble is None or trouble.ends < PLAIN_AFTER_ENDS:
        return ""
    plain = ", and is started without the trainee's settings" if trouble.is_plain else ""
    said = f": {trouble.line}" if trouble.line else ""
    return f"JupyterLab ended {trouble.ends} times before it was ready{plain}{said}"
