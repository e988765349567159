"""Bytes between two sockets. Standard library only: the shim runs it without site packages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CHUNK_BYTES = 65536


def make_relay(connect: Connect, *, most: int) -> Handler:
    """Return a connection handler that joins each client with a fresh connection.

    Args:
        connect: opens the other side.
        most: connections at a time; further ones are closed at once, so that a hostile machine
            cannot use up the other side's descriptors.
    """
    open_now = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        if open_now >= most:
            writer.close()
            return
        open_now += 1
        try:
            await _join(reader, writer, connect)
        finally:
            open_now -= 1

    return handle


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connect: Connect
) -> None:
    try:
        far_reader, far_writer = await connect()
    except OSError:
        writer.close()  # nobody is there: the client sees its connection end
        return
    try:
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        for side in (writer, far_writer):
            side.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of input, then tell the other side that no more comes."""
    # A connection that breaks on either side is an everyday end, not an error.
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()
