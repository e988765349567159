"""Sending a file to somebody who may be slow, or may have stopped reading on purpose."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

_CHUNK_BYTES: Final = 256 * 1024

TAKE_LIMIT_S: Final = 60.0
"""For one chunk: a connection of 35 kbit/s is quick enough."""


class TakenTooSlowlyError(StreamClosedError):
    """The other end took nothing for a minute; its connection was closed."""


async def send_file(handler: RequestHandler, path: Path, *, take_s: float = TAKE_LIMIT_S) -> None:
    """Send a file's content; memory stays bounded, and so does the time for each chunk.

    Raises:
        OSError: the file cannot be read.
        StreamClosedError: the other end went away, or was too slow.
    """
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            handler.write(chunk)
            try:
                async with asyncio.timeout(take_s):
                    await handler.flush()
            except TimeoutError as e:
                handler.request.connection.stream.close()  # type: ignore[union-attr]
                raise TakenTooSlowlyError from e
