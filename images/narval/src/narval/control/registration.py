"""What a service and a client ask of the naming service."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict

from narval.config import Address
from narval.control.naming import Entry, Kind, read_entry
from narval.control.peer import Peer, connect
from narval.errors import NarvalError

RETRY_S = 1.0

logger = logging.getLogger(__name__)


async def connect_naming(naming: Address, secret: str) -> Peer:
    """Connect to the naming service.

    Raises:
        NarvalError: it is not there; says how to start it.
    """
    try:
        return await connect(naming.host, naming.port, secret, {"hello": "client"})
    except NarvalError as error:
        raise NarvalError(
            f"naming service: {error}; start narval_naming_service, "
            "or say where it is with --naming_service or NARVAL_NAMING_SERVICE"
        ) from error


async def look_up(naming: Address, secret: str, name: str) -> Entry:
    """Return where a service is.

    Raises:
        NarvalError: nobody has this name, or there is no naming service.
    """
    peer = await connect_naming(naming, secret)
    try:
        return read_entry(await peer.call("lookup", name=name))
    finally:
        peer.close()


async def list_entries(naming: Address, secret: str, kind: Kind) -> tuple[Entry, ...]:
    """Return all services of a kind, by name; raises as `look_up`."""
    peer = await connect_naming(naming, secret)
    try:
        return tuple(map(read_entry, await peer.call("list", kind=kind)))
    finally:
        peer.close()


class Registration:
    """A name that is ours for as long as we keep it."""

    def __init__(self, naming: Address, secret: str, entry: Entry) -> None:
        self.naming, self.entry = naming, entry
        self._secret = secret
        self._peer: Peer | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Take the name, and take it again whenever the naming service was away.

        Raises:
            NarvalError: it is taken, or there is no naming service.
        """
        self._peer = await self._take()
        self._keeper = asyncio.create_task(self._keep(self._peer))

    def close(self) -> None:
        """Give the name back; again: no change."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._peer is not None:
            self._peer.close()

    async def _take(self) -> Peer:
        peer = await connect_naming(self.naming, self._secret)
        try:
            await peer.call("register", **asdict(self.entry))
        except NarvalError:
            peer.close()
            raise
        return peer

    async def _keep(self, peer: Peer) -> None:
        said = ""
        while True:
            await peer.closed()
            try:
                peer = self._peer = await self._take()
                logger.info("registered again as %s", self.entry.name)
                said = ""
            except NarvalError as error:
                if str(error) != said:
                    logger.warning("%s is not registered: %s", self.entry.name, error)
                    said = str(error)
                await asyncio.sleep(RETRY_S)
