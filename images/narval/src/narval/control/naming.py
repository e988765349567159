"""The naming service: where the sub-systems' coordinators and the central log are.

A name belongs to the connection that registered it, and is free again when that ends. The names are
kept in a file too: after a restart of the service they stay taken for a few seconds, in which
those who had them come back; nobody else can slip in, and who asks for such a name waits so long.
A name of before whose port nobody listens on any more is free at once, and is not told to anybody.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from narval.config import MAX_PORT, Address
from narval.control.peer import Peer
from narval.control.server import Server, serve
from narval.errors import NarvalError
from narval.outside import load_json

GRACE_S = 5.0
"""How long after a restart a name waits for whoever had it."""
_ANSWER_DEADLINE_S = 1.0

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """What is registered."""

    SUB_SYSTEM = "sub_system"
    CENTRAL_LOG = "central_log"


@dataclass(frozen=True)
class Entry:
    """A name, and where the service of this name listens."""

    name: str
    kind: Kind
    host: str
    port: int
    pid: int


class NameTakenError(NarvalError):
    """Somebody else has this name."""


def read_entry(facts: dict[str, Any]) -> Entry:
    """Return the entry of a message or of the file.

    Raises:
        NarvalError: something is missing or of another type.
    """
    try:
        entry = Entry(
            str(facts["name"]),
            Kind(facts["kind"]),
            str(facts["host"]),
            int(facts["port"]),
            int(facts["pid"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NarvalError(f"no entry of the naming service: {error}") from error
    if not 0 < entry.port <= MAX_PORT:
        raise NarvalError(f"no entry of the naming service: port {entry.port}")
    return entry


class NamingService:
    """The registry. Made by `serve_names`."""

    def __init__(self) -> None:
        self.server: Server
        self._entries: dict[str, Entry] = {}
        self._owners: dict[str, Peer] = {}
        self._file: Path | None = None
        self._is_closed = False
        self._grace_is_over = asyncio.Event()
        self._grace_is_over.set()

    def close(self) -> None:
        """Stop; the names stay in the file. Again: no change."""
        self._is_closed = True
        self._grace_is_over.set()
        self.server.close()

    def greet(self, peer: Peer) -> None:
        """Let a client register names and ask for them."""
        peer.handlers = {
            "register": partial(self._register, peer),
            "lookup": self._lookup,
            "list": self._list,
        }

    def remember(self, file: Path) -> None:
        """Keep the names in this file, and take over those that are in it."""
        self._file = file
        try:
            found = load_json(file.read_bytes())
            self._entries = {entry.name: entry for entry in map(read_entry, found)}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, NarvalError) as error:
            logger.warning("the names of before in %s are lost: %s", file, error)
        self._grace_is_over.clear()
        asyncio.get_running_loop().call_later(GRACE_S, self._forget)

    def _forget(self) -> None:
        if self._is_closed:
            return
        for name in self._entries.keys() - self._owners.keys():
            logger.info("%s has not come back", name)
            del self._entries[name]
        self._save()
        self._grace_is_over.set()

    async def _register(self, peer: Peer, **facts: Any) -> None:
        entry = read_entry(facts)
        # The same service of the same process may return at once.
        if self._entries.get(entry.name) not in {None, entry} and await self._may_return(
            entry.name
        ):
            await self._grace_is_over.wait()
        old = self._entries.get(entry.name)
        owner = self._owners.get(entry.name)
        if old is not None and owner is not peer and (owner is not None or old != entry):
            raise NameTakenError(
                f"{entry.name!r} is taken: its {old.kind} listens at {old.host}:{old.port} "
                f"(process {old.pid}); choose another name, or end that one first"
            )
        self._entries[entry.name] = entry
        self._owners[entry.name] = peer
        self._save()
        logger.info("%s is at %s:%d", entry.name, entry.host, entry.port)
        peer.when_closed(partial(self._gone, entry.name, peer))

    def _gone(self, name: str, peer: Peer) -> None:
        if self._owners.get(name) is peer and not self._is_closed:
            del self._owners[name], self._entries[name]
            self._save()
            logger.info("%s has gone", name)

    async def _may_return(self, name: str) -> bool:
        """Tell whether a name of before a restart waits for its owner; else it is forgotten."""
        entry = self._entries.get(name)
        if entry is None or name in self._owners:
            return False
        if await _somebody_listens(entry.host, entry.port):
            return True
        if self._entries.get(name) is entry and name not in self._owners:
            logger.info("%s, known from before the restart, is gone", name)
            del self._entries[name]
            self._save()
        return False

    async def _lookup(self, name: str) -> dict[str, Any]:
        await self._may_return(name)
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(sorted(self._entries)) or "nothing"
            raise NarvalError(f"there is no {name[:64]!r} (registered: {known})")
        return asdict(entry)

    async def _list(self, kind: str | None = None) -> list[dict[str, Any]]:
        await asyncio.gather(*map(self._may_return, self._entries.keys() - self._owners.keys()))
        entries = sorted(self._entries.values(), key=lambda entry: entry.name)
        return [asdict(entry) for entry in entries if kind in {None, entry.kind}]

    def _save(self) -> None:
        if self._file is None:
            return
        try:
            if not self._entries:
                self._file.unlink(missing_ok=True)
                return
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps([asdict(e) for e in self._entries.values()]), "utf-8")
            fresh.replace(self._file)
        except OSError as error:
            logger.warning("the names cannot be kept in %s: %s", self._file, error.strerror)


async def _somebody_listens(host: str, port: int) -> bool:
    """Tell whether a port takes connections; where nothing answers at all, it may yet."""
    try:
        async with asyncio.timeout(_ANSWER_DEADLINE_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return True
    except (OSError, ValueError):  # ValueError: what is not a host's name
        return False
    writer.close()
    return True


async def serve_names(at: Address, secret: str, folder: Path | None) -> NamingService:
    """Run the naming service until it is closed.

    Args:
        folder: where the names are kept for a restart; None: they end with this service, as those
            do who have them.

    Raises:
        PortError: the port cannot be listened on.
    """
    service = NamingService()
    service.server = await serve(at.host, at.port, secret, service.greet)
    if folder is not None:
        service.remember(folder / f"naming-{service.server.port}.json")
    return service
