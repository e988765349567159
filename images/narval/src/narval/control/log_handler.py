"""Python's logging, forwarded to the central log.

Example:
    handler = CentralLogHandler("tandem", "data_filter")
    logging.getLogger().addHandler(handler)
    forwarding = asyncio.create_task(handler.forward(Address(host, port), secret))
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime

from narval.config import Address
from narval.control.log_record import LogRecord, cut, level_of
from narval.control.peer import Peer, connect
from narval.errors import NarvalError
from narval.topology.model import LogLevel

MAX_WAITING = 2000
_BATCH = 20  # of 4096 characters each, of 12 bytes each at worst: below a message's limit
_RETRY_S = 1.0
_ACTOR = "narval_actor"


def as_actor(name: str) -> dict[str, str]:
    """Return logging's `extra` for a line that is told for an actor."""
    return {_ACTOR: name}


class CentralLogHandler(logging.Handler):
    """Keeps records until they are sent; never waits.

    When MAX_WAITING are waiting, new ones are dropped; a line tells how many.
    """

    def __init__(self, sub_system: str, actor: str = "") -> None:
        super().__init__()
        self.sub_system, self.actor = sub_system, actor
        self.dropped = 0
        self._host = socket.gethostname()
        self._waiting: deque[LogRecord] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fresh = asyncio.Event()
        self._sent = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; from any thread."""
        if record.name.startswith("narval.control"):
            return  # of the connection to the log itself: it would go round in a circle
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        actor = getattr(record, _ACTOR, self.actor)
        time = datetime.fromtimestamp(record.created, UTC)
        self._waiting.append(self._make(time, level_of(record.levelno), actor, self._text(record)))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._fresh.set)

    async def forward(self, at: Address, secret: str) -> None:
        """Send what comes to the central log at this address, until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._fresh.set()
        while True:
            try:
                peer = await connect(at.host, at.port, secret, {"hello": "client"})
            except NarvalError:
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await self._forward_to(peer)
            finally:
                peer.close()

    async def flush_for(self, seconds: float) -> bool:
        """Wait at most so long until all is sent; tell whether it is."""
        self._sent.clear()
        self._fresh.set()
        try:
            async with asyncio.timeout(seconds):
                await self._sent.wait()
        except TimeoutError:
            return False
        return True

    async def _forward_to(self, peer: Peer) -> None:
        while not peer.is_closed:
            await self._fresh.wait()
            self._fresh.clear()
            while self._waiting and not peer.is_closed:
                batch = [self._waiting[i] for i in range(min(_BATCH, len(self._waiting)))]
                try:
                    # A call, not a note: a batch that was not taken is sent again.
                    await peer.call("log", records=[asdict(record) for record in batch])
                except NarvalError:
                    peer.close()
                    self._fresh.set()
                    return
                for _ in batch:
                    self._waiting.popleft()
                self._tell_dropped()
            if not self._waiting:
                self._sent.set()

    def _tell_dropped(self) -> None:
        if self.dropped:
            text = f"{self.dropped} lines of the log were dropped: they came faster than it takes"
            self.dropped = 0
            now = datetime.now(UTC)
            self._waiting.append(self._make(now, LogLevel.WARN, self.actor, text))

    def _make(self, time: datetime, level: LogLevel, actor: str, text: str) -> LogRecord:
        return LogRecord(
            time.isoformat(timespec="milliseconds"), level, self.sub_system, actor, self._host, text
        )

    def _text(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except (TypeError, ValueError) as error:  # arguments that do not fit the format
            text = f"{record.msg} ({error})"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return cut(text)
