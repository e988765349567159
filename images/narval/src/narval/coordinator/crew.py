"""All actors of a sub-system: launching them, and giving them orders in the right order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from narval.config import LOOPBACK, Address, reachable_host
from narval.control.peer import Peer
from narval.coordinator.launch import (
    LaunchError,
    is_this_host,
    local_command,
    ssh_command,
)
from narval.coordinator.member import ActorError, Member
from narval.coordinator.order import (
    Ranks,
    describe_actor,
    from_consumers,
    from_producers,
    inputs_of,
    readers_of,
)
from narval.coordinator.settings import Settings
from narval.errors import NarvalError
from narval.states import State
from narval.topology.model import Topology, is_loopback

ORDER_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0
_LAUNCH_DEADLINE_S = 30.0
_LAUNCH_EACH_S = 3.0  # guests without hardware virtualisation start a Python in seconds
_MOST_TOLD = 5

logger = logging.getLogger(__name__)


class Crew:
    """The actors of one topology.

    Attributes:
        listening: where the actors find their coordinator.
        log: where the central log is.
        values: arguments that were set, by actor; they are set again where one is relaunched.
    """

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        on_trouble: Callable[[], None],
        *,
        listening: Address,
        log: Address | None,
    ) -> None:
        self.topology = topology
        self.listening, self.log = listening, log
        self.values: dict[str, dict[str, str]] = {actor.name: {} for actor in topology.actors}
        self._settings = settings
        self._on_trouble = on_trouble
        self.members: dict[str, Member] = {}

    def member(self, name: str) -> Member:
        """Return an actor.

        Raises:
            ActorError: there is none of this name.
        """
        if name not in self.members:
            known = ", ".join(self.members)
            raise ActorError(f"there is no actor {name[:60]!r} (known: {known})")
        return self.members[name]

    def attach(self, peer: Peer) -> None:
        """Take the connection of an actor that we have launched.

        Raises:
            ActorError: we have not.
        """
        uuid = peer.hello.get("uuid")
        for member in self.members.values():
            if member.uuid == uuid:
                member.attach(peer)
                return
        raise ActorError("an actor that was not launched from here")

    def errors(self) -> str | None:
        """Return what is wrong with which actor; None if they are all well."""
        wrong = [f"{m.actor.name}: {m.error}" for m in self.members.values() if m.error]
        return shorten(wrong) if wrong else None

    async def launch(self, names: Iterable[str]) -> None:
        """Start these actors and tell them who they are; a dead one is replaced.

        Raises:
            NarvalError: at least one cannot be launched or configured; names them.
        """
        wanted = tuple(names)
        for name in wanted:
            actor = self.topology.actor(name)
            self.members[name] = Member(actor, self._settings.sub_system, self._on_trouble)
        deadline_s = _LAUNCH_DEADLINE_S + _LAUNCH_EACH_S * len(wanted)
        await _all(self._launch_one(self.members[name], deadline_s) for name in wanted)
        await _all(self._configure_one(self.members[name]) for name in wanted)

    async def load(self) -> None:
        """Have all load their plugins, and connect them; raises as `order`."""
        ranks = (tuple(self.members),)
        await self.order(ranks, "load")
        opened: dict[tuple[str, str, str], Mapping[str, Any]] = {}

        async def open_one(member: Member) -> None:
            readers = readers_of(self.topology, member.actor)
            order = member.order("open_outputs", deadline_s=ORDER_DEADLINE_S, readers=readers)
            for link in await order:
                opened[member.actor.name, link["buffer"], link["reader"]] = link

        async def connect_one(member: Member) -> None:
            inputs = inputs_of(self.topology, member.actor, opened)
            await member.order("connect_inputs", deadline_s=ORDER_DEADLINE_S, inputs=inputs)

        members = self.members.values()
        await _all(open_one(member) for member in members)
        await _all(connect_one(member) for member in members)

    async def order(
        self, ranks: Ranks, name: str, *, deadline_s: float = ORDER_DEADLINE_S, **with_: Any
    ) -> None:
        """Give an order to all, rank after rank.

        Raises:
            ActorError: at least one failed; names them. Later ranks were not asked.
        """
        for rank in ranks:
            await _all(
                self.members[actor].order(name, deadline_s=deadline_s, **with_) for actor in rank
            )

    async def stop_producers_first(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Have all stop, each when its inputs are drained; raises as `order`.

        Those that read go on if they stand still: the mark of the end must get through full links.
        """
        paused = {n for n, m in self.members.items() if m.status.get("state") == State.PAUSED}
        reading = {actor.name for actor in self.topology.actors if actor.sources}
        wake = tuple(tuple(n for n in rank if n in paused & reading) for rank in self.readers_first)
        await self.order(wake, "resume")
        await self.order(from_producers(self.topology), "stop", deadline_s=deadline_s)

    @property
    def readers_first(self) -> Ranks:
        """The order in which readers are ready before their writers."""
        return from_consumers(self.topology)

    @property
    def writers_first(self) -> Ranks:
        """The order of data."""
        return from_producers(self.topology)

    async def reset(self) -> None:
        """Bring all back to where they can be loaded: those that cannot are replaced.

        Raises:
            NarvalError: at least one cannot be launched again; names them.
        """
        await asyncio.gather(*(self._reset_one(member) for member in self.members.values()))
        await self.launch([name for name, m in self.members.items() if not m.is_alive])

    async def finish(self) -> None:
        """End all processes. Again: no change."""
        await asyncio.gather(*(member.finish() for member in self.members.values()))

    async def _reset_one(self, member: Member) -> None:
        if not member.is_alive:
            return
        try:
            await member.order("reset", deadline_s=ORDER_DEADLINE_S)
            await member.order("unload", deadline_s=ORDER_DEADLINE_S)
        except ActorError as error:
            logger.warning("%s; it is launched again", error)
            await member.finish()
        member.forgive()

    async def _launch_one(self, member: Member, deadline_s: float) -> None:
        settings, actor = self._settings, member.actor
        try:
            is_here = settings.is_all_here or await is_this_host(actor.hostname)
            host = self._host_for_here() if is_here else self._host_for_others(actor.hostname)
        except LaunchError as error:
            raise ActorError(f"{actor.name}: {error}") from error
        words = [
            "--config_name", settings.sub_system,
            "--uuid", member.uuid,
            "--coordinator", f"{host}:{self.listening.port}",
            "--binary_code", actor.binary_code,
        ]  # fmt: skip
        if is_here:
            command = local_command("narval.actor", words)
        else:
            command = ssh_command(actor.hostname, "narval_actor", [*words, "--by_ssh"])
        await member.launch(command, settings.secret, by_ssh=not is_here, deadline_s=deadline_s)

    def _host_for_here(self) -> str:
        host = self.listening.host
        return host if reachable_host(host) == host else LOOPBACK

    def _host_for_others(self, hostname: str) -> str:
        host = reachable_host(self.listening.host)
        if is_loopback(host):
            raise LaunchError(
                f"an actor on {hostname} could not reach its coordinator, which listens on {host} "
                "only; launch the sub-system with the name of its host, or use --host"
            )
        return host

    async def _configure_one(self, member: Member) -> None:
        log = self.log and {"host": self.log.host, "port": self.log.port}
        about = describe_actor(self.topology, member.actor)
        if self._settings.is_all_here:
            about["hostname"] = "localhost"
        await member.order(
            "configure",
            deadline_s=ORDER_DEADLINE_S,
            actor=about,
            sub_system=self._settings.sub_system,
            log_level=member.actor.log_level,
            log=log,
            run_folder=str(self._settings.folder / "runs" / self._settings.sub_system),
        )
        for name, value in self.values[member.actor.name].items():
            await member.order("set_argument", deadline_s=ORDER_DEADLINE_S, name=name, value=value)


async def _all(work: Iterable[Awaitable[Any]]) -> None:
    """Wait for all, also where some fail; then raise what failed as one."""
    done = await asyncio.gather(*work, return_exceptions=True)
    failed = [result for result in done if isinstance(result, BaseException)]
    for result in failed:
        if not isinstance(result, NarvalError):
            raise result
    if failed:
        raise ActorError(shorten(list(map(str, failed))))


def shorten(lines: list[str]) -> str:
    """Return lines as one text that is still read where fifty actors say the same."""
    more = len(lines) - _MOST_TOLD
    return "\n".join([*lines[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])
