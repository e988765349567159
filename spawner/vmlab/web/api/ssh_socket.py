"""`/hub/ssh`: SSH in a WebSocket, for those who reach the hub's own address only.

The bytes go to the process of the jump host as they come; this end of them knows nothing of SSH.
Whoever opens it has to log in there: neither cookies nor tokens count here.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from typing import Final

from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from vmlab.errors import HostError
from vmlab.providers.base import SshStream
from vmlab.web.api.runtime import ApiSettings, get_runtime

MAX_MESSAGE_BYTES: Final = 256 * 1024
PING_S: Final = 25
"""Web servers in between cut what is silent for a minute."""

_CHUNK_BYTES: Final = 65536
_GONE: Final = 1001
_BAD_DATA: Final = 1003
_TRY_LATER: Final = 1013
_LATER: Final = "no SSH at the moment; try again in a minute / réessayez dans une minute"
_OF_BROWSERS: Final = ("Origin", "Sec-WebSocket-Origin", "Sec-Fetch-Site")
"""What no page can leave out: each browser sends one of them, and programs none."""

_log = logging.getLogger(__name__)


def is_from_page(headers: HTTPHeaders) -> bool:
    """Tell whether a page in a browser asks, whosever it is. Pure."""
    return any(name in headers for name in _OF_BROWSERS)


class SshSocket(WebSocketHandler):
    """One connection."""

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab
        self._counted = ExitStack()
        self._stream: SshStream | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def max_message_size(self) -> int:
        """What a client may send at once; tornado holds 10 MiB of what anybody says."""
        return MAX_MESSAGE_BYTES

    @property
    def ping_interval(self) -> float:
        """How often a silent connection says something, in seconds."""
        return PING_S

    def prepare(self) -> None:
        """Refuse all pages of browsers, which have no use for this.

        Not in `check_origin`: tornado asks that about other origins than the hub's own only, and
        where there is one origin for all, trainees' pages have the hub's.
        """
        if is_from_page(self.request.headers):
            raise web.HTTPError(403, "SSH is for programs, not for pages of a browser")

    async def open(self, *_: str, **__: str) -> None:
        """Connect to the jump host; say so and end where that is not possible."""
        self.set_nodelay(True)
        runtime = get_runtime(self.lab_settings)
        # A client that does not answer our farewell is kept for a while, though the jump host's
        # end is closed.
        if not self._counted.enter_context(runtime.ssh_sockets.counted("all")):
            self.close(_TRY_LATER, _LATER)
            return
        try:
            self._stream = await runtime.jump.carry(str(self.request.remote_ip))
        except HostError as error:
            _log.warning("%s", error)
            self.close(_TRY_LATER, _LATER)
            return
        if self.ws_connection is None:  # the client left meanwhile
            self._stream.writer.close()
            return
        self._reading = asyncio.create_task(self._send_on())

    async def on_message(self, message: str | bytes) -> None:
        """Take what the client says; the next message waits until this one is under way."""
        if self._stream is None or isinstance(message, str):
            self.close(_BAD_DATA)
            return
        try:
            self._stream.writer.write(message)
            await self._stream.writer.drain()
        except OSError:
            self.close(_GONE)

    def on_close(self) -> None:
        """End the other side."""
        self._counted.close()
        if self._reading:
            self._reading.cancel()
        if self._stream:
            self._stream.writer.close()

    async def _send_on(self) -> None:
        assert self._stream is not None  # noqa: S101 - opened before
        try:
            while data := await self._stream.reader.read(_CHUNK_BYTES):
                await self.write_message(data, binary=True)
        except (OSError, WebSocketClosedError) as error:
            _log.debug("SSH in a WebSocket ended: %r", error)
        self.close(_GONE)
