"""Long answers to callers who may be slow or gone: they do not delay anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tornado import web
from tornado.iostream import StreamClosedError

T = TypeVar("T")

_PIECE_BYTES = 256 * 1024
_READERS = ThreadPoolExecutor(4, thread_name_prefix="vmlab-send")
"""Files are read by threads of their own: a slow disk does not delay database work."""


@dataclass(frozen=True)
class Pace:
    """How fast a reader must be; otherwise the download is cut off."""

    stall_s: float = (
        60.0  # the longest for one piece, and the longest that a download may lag behind
    )
    least_bytes_s: int = 64 * 1024  # on average

    def piece_limit_s(self, elapsed_s: float, sent_bytes: int) -> float:
        """Return how long the next piece may take; 0 or less when the reader is too late."""
        return min(self.stall_s, self.stall_s + sent_bytes / self.least_bytes_s - elapsed_s)


PACE = Pace()


class TakenTooSlowlyError(StreamClosedError):
    """The client read too slowly; its connection was closed."""


async def send_file(handler: web.RequestHandler, path: Path, pace: Pace | None = None) -> None:
    """Send a file as the body of the answer, in pieces: memory stays bounded.

    Raises:
        StreamClosedError: the reader went away, or was too slow.
        OSError: the file cannot be read.
    """
    loop = asyncio.get_running_loop()
    limits = pace or PACE
    began, sent = loop.time(), 0
    with await loop.run_in_executor(_READERS, path.open, "rb") as file:
        while piece := await loop.run_in_executor(_READERS, file.read, _PIECE_BYTES):
            handler.write(piece)
            try:
                async with asyncio.timeout(limits.piece_limit_s(loop.time() - began, sent)):
                    await handler.flush()  # waits until the reader took it
            except TimeoutError as error:
                _hang_up(handler)
                raise TakenTooSlowlyError from error
            sent += len(piece)


def _hang_up(handler: Any) -> None:
    """Close the connection: an answer shorter than its Content-Length cannot end otherwise."""
    handler.request.connection.stream.close()


class GivesUp(web.RequestHandler):
    """A handler that gives up its work when the caller goes away."""

    _work: asyncio.Future[Any] | None = None

    async def unless_gone(self, work: Awaitable[T]) -> T | None:
        """Return what the work returns, or None when the caller went away meanwhile."""
        self._work = task = asyncio.ensure_future(work)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    def on_connection_close(self) -> None:
        """Give up."""
        if self._work:
            self._work.cancel()
        super().on_connection_close()
