"""What a service and a client ask of the naming service."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict

from narval.config import Address
from narval.control.naming import Entry, Kind, read_entry
from narval.control.peer import Peer, PeerClosedError, UnknownSecretError, connect
from narval.errors import NarvalError

RETRY_S = 1.0

logger = logging.getLogger(__name__)


class NoNamingServiceError(NarvalError):
    """There is no naming service."""


async def connect_naming(naming: Address, secret: str) -> Peer:
    """Connect to the naming service.

    Raises:
        NoNamingServiceError: it is not there; says how to start it.
        NarvalError: it has another secret.
    """
    try:
        return await connect(naming.host, naming.port, secret, {"hello": "client"})
    except PeerClosedError as error:
        kind = NarvalError if isinstance(error, UnknownSecretError) else NoNamingServiceError
        raise kind(
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

    async def begin(self, wait_s: float = 0.0) -> None:
        """Take the name, and take it again whenever the naming service was away.

        Args:
            wait_s: so long a naming service may take to come: services that are started all at
                once, at a machine's boot, come in any order.

        Raises:
            NoNamingServiceError: there is none, `wait_s` seconds after.
            NarvalError: the name is taken, or the naming service has another secret.
        """
        self._peer = await self._take_within(wait_s)
        self._keeper = asyncio.create_task(self._keep(self._peer))

    def close(self) -> None:
        """Give the name back; again: no change."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._peer is not None:
            self._peer.close()

    async def _take_within(self, wait_s: float) -> Peer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        has_said = False
        while True:
            try:
                return await self._take()
            except (NoNamingServiceError, PeerClosedError) as error:  # or it ended while we asked
                if (left := deadline - loop.time()) <= 0:
                    raise
                if not has_said:
                    logger.warning("waits up to %.0f s: %s", left, error)
                    has_said = True
                await asyncio.sleep(min(RETRY_S, left))

    async def _take(self) -> Peer:
        peer = await connect_naming(self.naming, self._secret)
        try:
            await peer.call("register", **asdict(self.entry))
        except BaseException:  # cancelled, too: what we gave up must not be given to us
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
