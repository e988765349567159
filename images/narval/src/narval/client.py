"""A sub-system for notebooks and tools: its actions, its status, its log.

Example:
    tandem = await SubSystem.find("tandem")
    await tandem.act("start")
    print((await tandem.status()).state)

In a program without a running event loop, and in a notebook's plain cells:
    tandem = SyncSubSystem.find("tandem")
    tandem.act("start")
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from narval.config import Address, config_folder, naming_address, read_secret
from narval.control.central_log import NAME as CENTRAL_LOG
from narval.control.log_record import LogRecord, read_record
from narval.control.naming import Kind
from narval.control.peer import CALL_DEADLINE_S, Peer, connect
from narval.control.registration import list_entries, look_up
from narval.errors import NarvalError
from narval.states import Action, State

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """What it takes to reach an acquisition."""

    naming: Address
    secret: str

    @classmethod
    def default(cls) -> Self:
        """Return that of NARVAL_CONFIG and NARVAL_NAMING_SERVICE, or of their defaults.

        Raises:
            NarvalError: there is no secret, or the variable holds no address.
        """
        return cls(naming_address(), read_secret(config_folder()))


@dataclass(frozen=True)
class SubSystemStatus:
    """What a coordinator tells of its sub-system.

    Attributes:
        under_way: the action that is being done.
        allowed: what may be asked now.
        error: why it is in Error.
        actors: of each its last note `status`, and name, role, hostname, binary_code, pid, error.
    """

    sub_system: str
    state: State
    under_way: Action | None
    allowed: tuple[Action, ...]
    error: str | None
    run_number: int | None
    configuration_file: str
    actors: tuple[Mapping[str, Any], ...]


def read_status(facts: Mapping[str, Any]) -> SubSystemStatus:
    """Return the status in a coordinator's answer.

    Raises:
        NarvalError: it is not one.
    """
    try:
        under_way, error, number = facts["under_way"], facts["error"], facts["run_number"]
        return SubSystemStatus(
            sub_system=str(facts["sub_system"]),
            state=State(facts["state"]),
            under_way=None if under_way is None else Action(under_way),
            allowed=tuple(map(Action, facts["allowed"])),
            error=None if error is None else str(error),
            run_number=None if number is None else int(number),
            configuration_file=str(facts["configuration_file"]),
            actors=tuple(map(dict, facts["actors"])),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise NarvalError(f"an answer that is not a status: {problem!r}") from problem


async def list_sub_systems(access: Access | None = None) -> tuple[str, ...]:
    """Return the names of all sub-systems.

    Raises:
        NarvalError: there is no naming service.
    """
    known = access or Access.default()
    entries = await list_entries(known.naming, known.secret, Kind.SUB_SYSTEM)
    return tuple(entry.name for entry in entries)


class SubSystem:
    """A sub-system, through its coordinator. Reconnects where the coordinator was away.

    All methods raise NarvalError where they fail: RemoteError with what the coordinator says.
    """

    def __init__(self, name: str, access: Access) -> None:
        self.name = name
        self._access = access
        self._peers: dict[str, Peer] = {}  # its coordinator, and the central log
        self._connecting = asyncio.Lock()

    @classmethod
    async def find(cls, name: str, access: Access | None = None) -> Self:
        """Return the sub-system of this name.

        Raises:
            NarvalError: there is none, or no naming service.
        """
        found = cls(name, access or Access.default())
        await found._connected(found.name)
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; again: no change."""
        for peer in self._peers.values():
            peer.close()

    async def act(self, action: Action | str) -> State:
        """Do an action, however long it takes; return the state that it has led to.

        The coordinator has a deadline for whatever does not go on, and a stop may drain for long.
        """
        return State(await self._call("act", None, action=str(action)))

    async def status(self) -> SubSystemStatus:
        """Return how it is."""
        return read_status(await self._call("status"))

    async def topology(self) -> str:
        """Return the text of the topology that it is configured with."""
        return str(await self._call("topology"))

    async def ask(self, actor: str, what: str, **with_: Any) -> Any:
        """Ask an actor's plugin."""
        order: dict[str, Any] = {"actor": actor, "what": what, "with": with_}
        return await self._call("ask", **order)

    async def arguments(self, actor: str | None = None) -> dict[str, Any]:
        """Return the values of an actor's arguments, or of the sub-system's, by name."""
        return dict(await self._call("arguments", actor=actor))

    async def get(self, name: str, actor: str | None = None) -> Any:
        """Return the value of an argument."""
        return await self._call("get_argument", name=name, actor=actor)

    async def set(self, name: str, value: str, actor: str | None = None) -> None:
        """Set an argument; `library` of an actor is its plugin."""
        await self._call("set_argument", name=name, value=str(value), actor=actor)

    async def set_configuration_file(self, file: str) -> None:
        """Choose the topology that `configure` reads, on the coordinator's host.

        Args:
            file: its name, from where this program is.
        """
        await self.set("configuration_file", str(Path(file).expanduser().absolute()))

    async def log(
        self, last: int = 100, actor: str | None = None, level: str = "debug"
    ) -> tuple[LogRecord, ...]:
        """Return the last lines of its log, oldest first."""
        peer = await self._connected(CENTRAL_LOG)
        found = await peer.call("query", sub_system=self.name, actor=actor, level=level, last=last)
        return tuple(map(read_record, found))

    async def _connected(self, name: str) -> Peer:
        async with self._connecting:  # of two who ask at once, one connects
            peer = self._peers.get(name)
            if peer is None or peer.is_closed:
                access = self._access
                entry = await look_up(access.naming, access.secret, name)
                peer = await connect(entry.host, entry.port, access.secret, {"hello": "client"})
                peer.what = f"the coordinator of {name}" if name == self.name else name
                self._peers[name] = peer
            return peer

    async def _call(
        self, name: str, /, deadline_s: float | None = CALL_DEADLINE_S, **with_: Any
    ) -> Any:
        peer = await self._connected(self.name)
        return await peer.call(name, deadline_s=deadline_s, **with_)


class SyncSubSystem:
    """`SubSystem` for code that does not await; each method waits until it is done."""

    def __init__(self, sub_system: SubSystem) -> None:
        self.name = sub_system.name
        self._its = sub_system

    @classmethod
    def find(cls, name: str, access: Access | None = None) -> Self:
        """As `SubSystem.find`."""
        return cls(wait_for(SubSystem.find(name, access)))

    def close(self) -> None:
        """As `SubSystem.close`."""
        _background_loop().call_soon_threadsafe(self._its.close)

    def act(self, action: Action | str) -> State:
        """As `SubSystem.act`."""
        return wait_for(self._its.act(action))

    def status(self) -> SubSystemStatus:
        """As `SubSystem.status`."""
        return wait_for(self._its.status())

    def topology(self) -> str:
        """As `SubSystem.topology`."""
        return wait_for(self._its.topology())

    def ask(self, actor: str, what: str, **with_: Any) -> Any:
        """As `SubSystem.ask`."""
        return wait_for(self._its.ask(actor, what, **with_))

    def arguments(self, actor: str | None = None) -> dict[str, Any]:
        """As `SubSystem.arguments`."""
        return wait_for(self._its.arguments(actor))

    def get(self, name: str, actor: str | None = None) -> Any:
        """As `SubSystem.get`."""
        return wait_for(self._its.get(name, actor))

    def set(self, name: str, value: str, actor: str | None = None) -> None:
        """As `SubSystem.set`."""
        wait_for(self._its.set(name, value, actor))

    def set_configuration_file(self, file: str) -> None:
        """As `SubSystem.set_configuration_file`."""
        wait_for(self._its.set_configuration_file(file))

    def log(
        self, last: int = 100, actor: str | None = None, level: str = "debug"
    ) -> tuple[LogRecord, ...]:
        """As `SubSystem.log`."""
        return wait_for(self._its.log(last, actor, level))


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in this module's own thread; also where the caller's loop is running."""
    return asyncio.run_coroutine_threadsafe(work, _background_loop()).result()


@cache
def _background_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="narval client", daemon=True).start()
    return loop
