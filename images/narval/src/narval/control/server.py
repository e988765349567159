"""The listening side of the control protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from narval.control.peer import HELLO_DEADLINE_S, Peer, reason_of, watch
from narval.control.proof import Side, is_same, new_challenge, prove
from narval.control.wire import MAX_LINE_BYTES, BadMessageError, Message, decode, encode
from narval.errors import NarvalError

OnPeer = Callable[[Peer], None]
"""Called for each client that has proved the secret, before anything else is read of it; sets the
peer's handlers. Raises NarvalError to send it away."""

logger = logging.getLogger(__name__)


class PortError(NarvalError):
    """A port that cannot be listened on."""


class Server:
    """What listens. Made by `serve`.

    Attributes:
        host: as it was given.
        port: the real one, also where 0 was asked for.
    """

    def __init__(self, host: str, secret: str, on_peer: OnPeer) -> None:
        self.host = host
        self.port = 0
        self._secret = secret
        self._on_peer = on_peer
        self._peers: set[Peer] = set()
        self._server: asyncio.Server | None = None

    async def begin(self, port: int) -> None:
        """Listen; `serve` calls it once."""
        try:
            self._server = await asyncio.start_server(
                self._greet, self.host, port, limit=MAX_LINE_BYTES
            )
        except OSError as error:
            raise PortError(
                f"port {port} of {self.host} cannot be listened on: {reason_of(error)}; "
                "end what uses it, or choose another port"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening and end all connections; again: no change."""
        if self._server is not None:
            self._server.close()
        for peer in tuple(self._peers):
            peer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername") or ("somebody",)
        try:
            async with asyncio.timeout(HELLO_DEADLINE_S):
                hello, welcome = await self._hello(reader, writer)
            peer = Peer(reader, writer, hello, f"{hello.get('hello', 'somebody')} at {address[0]}")
            self._on_peer(peer)
        except (NarvalError, TimeoutError, OSError) as error:
            reason = "no greeting in time" if isinstance(error, TimeoutError) else error
            logger.warning("a connection from %s was closed: %s", address[0], reason)
            writer.close()
            return
        watch(writer)
        writer.write(encode({"welcome": welcome}))
        peer.begin()
        self._peers.add(peer)
        try:
            await peer.closed()
        finally:
            self._peers.discard(peer)

    async def _hello(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Message, str]:
        """Return what a client that knows the secret says, and our own proof for it."""
        asked = new_challenge()
        writer.write(encode({"challenge": asked}))
        try:
            line = await reader.readline()
        except ValueError as error:  # asyncio, of a line too long
            raise BadMessageError("its first line is too long") from error
        if not line:
            raise BadMessageError("it said nothing")
        hello = decode(line)
        challenges = (asked, str(hello.pop("challenge", "")))
        if not is_same(hello.pop("proof", None), prove(self._secret, Side.CLIENT, *challenges)):
            raise NarvalError("it does not know the secret")
        return hello, prove(self._secret, Side.SERVER, *challenges)


async def serve(host: str, port: int, secret: str, on_peer: OnPeer) -> Server:
    """Listen for control connections; port 0 takes a free one.

    Raises:
        PortError: the port is in use, or not ours to listen on.
    """
    server = Server(host, secret, on_peer)
    await server.begin(port)
    return server
