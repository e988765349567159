"""All actors of a sub-system: launching them, and giving them orders in the right order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
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
from narval.coordinator.settle import raise_failures, settle, shorten
from narval.errors import NarvalError
from narval.states import State
from narval.topology.model import Topology, is_loopback

LAUNCH_DEADLINE_S = 120.0
"""How long an actor's program may take to connect. What ends is told at once, so only one that
hangs takes as long; in an emulated guest of a busy host three took more than 39 s by ssh."""
PREPARE_DEADLINE_S = 60.0
"""How long an actor may take to be configured, loaded and initialised."""
ORDER_DEADLINE_S = 30.0
"""How long it may take to do any other order. To stop: since data flowed last."""
LENIENT_DEADLINE_S = 10.0
"""How long it may take to stop where its run is given up."""
_PREPARING = frozenset({"load", "initialise"})

logger = logging.getLogger(__name__)


class Crew:
    """The actors of one topology.

    Args:
        folder: the topology file's; where names of files in it begin.

    Attributes:
        listening: where the actors find their coordinator.
        log: where the central log is.
        values: arguments that were set, by actor; they are set again where one is relaunched.
    """

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        folder: Path,
        on_trouble: Callable[[], None],
        *,
        listening: Address,
        log: Address | None,
    ) -> None:
        self.topology, self._folder = topology, folder
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
        await _all(self._launch_one(self.members[name]) for name in wanted)
        configure = {name: self._configure_one(self.members[name]) for name in wanted}
        await settle(self.members, configure, PREPARE_DEADLINE_S)

    async def load(self) -> None:
        """Have all load their plugins, and connect them; raises as `order`."""
        ranks = (tuple(self.members),)
        await self.order(ranks, "load")
        opened: dict[tuple[str, str, str], Mapping[str, Any]] = {}

        async def open_one(member: Member) -> None:
            readers = readers_of(self.topology, member.actor)
            for link in await member.order("open_outputs", readers=readers):
                opened[member.actor.name, link["buffer"], link["reader"]] = link

        async def connect_one(member: Member) -> None:
            inputs = inputs_of(self.topology, member.actor, opened)
            await member.order("connect_inputs", inputs=inputs)

        for each in (open_one, connect_one):
            orders = {name: each(member) for name, member in self.members.items()}
            await settle(self.members, orders, PREPARE_DEADLINE_S)

    async def order(self, ranks: Ranks, name: str, **with_: Any) -> None:
        """Give an order to all, rank after rank.

        Raises:
            ActorError: at least one failed; names them. Later ranks were not asked.
        """
        deadline_s = PREPARE_DEADLINE_S if name in _PREPARING else ORDER_DEADLINE_S
        for rank in ranks:
            orders = {actor: self.members[actor].order(name, **with_) for actor in rank}
            await settle(self.members, orders, deadline_s)

    async def stop_producers_first(self) -> None:
        """Have all stop, each when its inputs are drained; raises as `order`.

        However long that takes, as long as data flow. Those that read go on if they stand still:
        the mark of the end must get through full links.
        """
        paused = {n for n, m in self.members.items() if m.status.get("state") == State.PAUSED}
        reading = {actor.name for actor in self.topology.actors if actor.sources}
        wake = tuple(tuple(n for n in rank if n in paused & reading) for rank in self.readers_first)
        await self.order(wake, "resume")
        for rank in self.writers_first:
            orders = {name: self.members[name].order("stop") for name in rank}
            await settle(self.members, orders, ORDER_DEADLINE_S, while_data_flow=True)

    async def stop_leniently(self) -> None:
        """Have those that still can end their run in order, so that what they have is whole."""
        for rank in self.writers_first:
            alive = [name for name in rank if self.members[name].is_alive]
            orders = {name: self.members[name].order("stop") for name in alive}
            try:
                await settle(self.members, orders, LENIENT_DEADLINE_S)
            except NarvalError as error:
                logger.warning("%s", error)

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
        alive = {name: self._reset_one(m) for name, m in self.members.items() if m.is_alive}
        await settle(self.members, alive, ORDER_DEADLINE_S)
        await self.launch([name for name, m in self.members.items() if not m.is_alive])

    async def finish(self) -> None:
        """End all processes. Again: no change."""
        await asyncio.gather(*(member.finish() for member in self.members.values()))

    def lost(self) -> dict[str, dict[str, int]]:
        """Return what each actor knows to have lost in the run, by kind."""
        told = {name: member.status.get("lost") for name, member in self.members.items()}
        return {name: lost for name, lost in told.items() if lost}

    def kill(self) -> None:
        """End all processes at once. Again: no change."""
        for member in self.members.values():
            member.kill()

    async def _reset_one(self, member: Member) -> None:
        try:
            await member.order("reset")
            await member.order("unload")
        except ActorError as error:
            logger.warning("%s; it is launched again", error)
            await member.finish()
        member.forgive()

    async def _launch_one(self, member: Member) -> None:
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
        await member.launch(
            command, settings.secret, by_ssh=not is_here, deadline_s=LAUNCH_DEADLINE_S
        )

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
            actor=about,
            sub_system=self._settings.sub_system,
            log_level=member.actor.log_level,
            log=log,
            folder=str(self._folder),
            run_folder=str(self._settings.folder / "runs" / self._settings.sub_system),
        )
        for name, value in self.values[member.actor.name].items():
            await member.order("set_argument", name=name, value=value)


async def _all(work: Iterable[Awaitable[Any]]) -> None:
    """Wait for all, also where some fail; then raise what failed as one."""
    raise_failures(await asyncio.gather(*work, return_exceptions=True))
