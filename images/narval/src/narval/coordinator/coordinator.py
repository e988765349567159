"""The coordinator of a sub-system: its state, one action at a time, and what clients may ask."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from narval.config import Address, reachable_host
from narval.control.central_log import NAME as CENTRAL_LOG
from narval.control.log_handler import CentralLogHandler
from narval.control.naming import Entry, Kind
from narval.control.peer import Handler, Peer
from narval.control.registration import Registration, look_up
from narval.control.server import Server, serve
from narval.coordinator.actions import Actions
from narval.coordinator.crew import Crew
from narval.coordinator.settings import Settings
from narval.errors import NarvalError
from narval.runs import check_number
from narval.states import Action, State, allowed_actions, make_transitions, next_state
from narval.topology.model import Topology
from narval.topology.write import format_topology

TRANSITIONS = make_transitions()

_READABLE = ("state", "error", "run_number", "configuration_file")
_ASK_DEADLINE_S = 20.0

logger = logging.getLogger(__name__)


class UnderWayError(NarvalError):
    """An action that cannot be done, for another one is under way."""


class Coordinator:
    """One sub-system. Made by `coordinate`.

    Attributes:
        finished: set when the sub-system is Finished.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = State.INITIAL
        self.error: str | None = None
        self.finished = asyncio.Event()
        self.server: Server
        self._actions = Actions(settings, self._make_crew)
        self._under_way: Action | None = None
        self._since = 0.0
        self._registration: Registration | None = None
        self._log: Address | None = None
        self._log_handler = CentralLogHandler(settings.sub_system)
        self._forwarding: asyncio.Task[None] | None = None
        self._clients: Mapping[str, Handler] = {
            "act": self._act,
            "status": self._status,
            "topology": self._topology,
            "ask": self._ask,
            "arguments": self._arguments,
            "get_argument": self._get_argument,
            "set_argument": self._set_argument,
        }

    async def begin(self) -> None:
        """Listen, and register with the naming service.

        Raises:
            NarvalError: the port is in use, the name is taken, there is no naming service.
        """
        at, secret = self.settings.at, self.settings.secret
        self.server = await serve(at.host, at.port, secret, self._greet)
        entry = Entry(
            self.settings.sub_system,
            Kind.SUB_SYSTEM,
            reachable_host(at.host),
            self.server.port,
            os.getpid(),
        )
        self._registration = Registration(self.settings.naming, secret, entry)
        try:
            await self._registration.begin(self.settings.naming_wait_s)
        except BaseException:
            self.server.close()
            raise
        logging.getLogger("narval").addHandler(self._log_handler)
        await self._find_log()

    async def close(self) -> None:
        """End the actors and leave; at once where this is cancelled. Again: no change."""
        try:
            await self._actions.dismiss()
        except asyncio.CancelledError:
            self.kill()
            raise
        if self._forwarding is not None:
            forwarding, self._forwarding = self._forwarding, None
            await self._log_handler.flush_for(2.0)
            forwarding.cancel()
        logging.getLogger("narval").removeHandler(self._log_handler)
        if self._registration is not None:
            self._registration.close()
        self.server.close()

    def kill(self) -> None:
        """End the actors at once, whatever they do. Again: no change."""
        if self._actions.crew is not None:
            self._actions.crew.kill()

    def set_configuration_file(self, file: Path) -> None:
        """Choose the topology that the next `configure` reads."""
        self._actions.file = file.absolute()

    def set_run_number(self, number: int) -> None:
        """Choose the number of the run to come; those after it count on from the highest.

        Raises:
            NarvalError: it cannot be one, or there is such a run.
        """
        where = (self.settings.folder, self.settings.sub_system)
        self._actions.next_run_number = check_number(*where, number)

    async def act(self, action: Action) -> None:
        """Do an action; when it is done, or has failed, the state tells.

        Raises:
            UnderWayError, ActionRefusedError: not now; nothing was changed.
            NarvalError: it failed; the sub-system is in Error, after `configure` in Initial.
        """
        if self._under_way is not None:
            seconds = monotonic() - self._since
            raise UnderWayError(
                f"{action} is not possible now: {self._under_way} of {self.settings.sub_system!r} "
                f"is under way since {seconds:.1f} s; wait until it is done"
            )
        target = next_state(self.state, action, TRANSITIONS)
        self._under_way, self._since = action, monotonic()
        try:
            await self._actions.do(action)
        except NarvalError as error:
            logger.error("%s failed: %s", action, error)
            if action is Action.CONFIGURE:
                self.state = State.INITIAL
            else:
                self.state, self.error = State.ERROR, str(error)
            raise
        else:
            self.state, self.error = target, None
            logger.info("%s: %s", action, self.state)
        finally:
            self._under_way = None
            self._notice_errors()
        if self.state is State.FINISHED:
            self.finished.set()

    def status(self) -> dict[str, Any]:
        """Return what clients are told of the sub-system."""
        crew = self._actions.crew
        return {
            "sub_system": self.settings.sub_system,
            "state": self.state,
            "under_way": self._under_way,
            "allowed": list(allowed_actions(self.state, TRANSITIONS)),
            "error": self.error,
            "run_number": self._actions.last_run_number,
            "configuration_file": str(self._actions.file or ""),
            "actors": [m.describe() for m in crew.members.values()] if crew else [],
        }

    def _greet(self, peer: Peer) -> None:
        match peer.hello.get("hello"):
            case "actor":
                self._actions.actors.attach(peer)
            case "client":
                peer.handlers = self._clients
            case role:
                raise NarvalError(f"a coordinator has nothing for {str(role)[:60]!r}")

    async def _make_crew(self, topology: Topology, folder: Path) -> Crew:
        await self._find_log()
        at = Address(self.settings.at.host, self.server.port)
        notice = self._notice_errors
        return Crew(self.settings, topology, folder, notice, listening=at, log=self._log)

    async def _find_log(self) -> None:
        """Have our lines go to the central log, wherever it is now."""
        try:
            entry = await look_up(self.settings.naming, self.settings.secret, CENTRAL_LOG)
        except NarvalError as error:
            if self._log is None:
                logger.warning("the log stays here: %s", error)
            return
        at = Address(entry.host, entry.port)
        if at == self._log:
            return
        self._log = at
        if self._forwarding is not None:
            self._forwarding.cancel()
        forward = self._log_handler.forward(at, self.settings.secret)
        self._forwarding = asyncio.create_task(forward)

    def _notice_errors(self) -> None:
        """Take the sub-system to Error if an actor is in trouble; not amid an action."""
        crew = self._actions.crew
        if self._under_way is not None or crew is None:
            return
        error = crew.errors()
        if error is not None:
            self.state, self.error = State.ERROR, error

    async def _act(self, action: str) -> str:
        try:
            wanted = Action(action)
        except ValueError:
            known = ", ".join(Action)
            raise NarvalError(f"{action[:60]!r} is not an action (known: {known})") from None
        await self.act(wanted)
        return self.state

    async def _status(self) -> dict[str, Any]:
        return self.status()

    async def _topology(self) -> str:
        """Return the topology's text, as it is configured."""
        return format_topology(self._actions.actors.topology)

    async def _ask(self, actor: str, what: str, **more: Any) -> Any:
        member = self._actions.actors.member(actor)
        with_ = {"with": more.get("with", {})}
        return await member.order("ask", deadline_s=_ASK_DEADLINE_S, what=what, **with_)

    async def _arguments(self, actor: str | None = None) -> dict[str, Any]:
        if actor is None:
            status = self.status()
            return {name: status[name] for name in _READABLE}
        member = self._actions.actors.member(actor)
        values: dict[str, Any] = await member.order("arguments", deadline_s=_ASK_DEADLINE_S)
        return values

    async def _get_argument(self, name: str, actor: str | None = None) -> Any:
        if actor is not None:
            member = self._actions.actors.member(actor)
            return await member.order("get_argument", deadline_s=_ASK_DEADLINE_S, name=name)
        if name not in _READABLE:
            raise NarvalError(f"a sub-system has no {name[:60]!r} (known: {', '.join(_READABLE)})")
        return self.status()[name]

    async def _set_argument(self, name: str, value: str, actor: str | None = None) -> None:
        if actor is not None:
            member = self._actions.actors.member(actor)
            if member.is_alive:
                await member.order(
                    "set_argument", deadline_s=_ASK_DEADLINE_S, name=name, value=value
                )
            self._actions.actors.values[actor][name] = value
        elif name == "configuration_file":
            file = Path(value).expanduser()
            if not file.is_absolute():  # from where? who asked may be anywhere
                raise NarvalError(f"configuration_file {value[:200]!r}: give the full path")
            self.set_configuration_file(file)
        elif name == "run_number":
            self.set_run_number(_whole_number(name, value))
        else:
            known = "configuration_file, run_number"
            raise NarvalError(f"{name[:60]!r} of a sub-system cannot be set (can be: {known})")


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise NarvalError(f"{name} {text[:60]!r}: not a whole number") from None


async def coordinate(settings: Settings) -> Coordinator:
    """Run a coordinator until it is closed; raises as `Coordinator.begin`."""
    coordinator = Coordinator(settings)
    await coordinator.begin()
    return coordinator
