"""Bytes between two sockets. Standard library only: the shim runs it without site packages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MAX_OUTWARD = 32
"""Connections of one machine to each of the listeners of hub and proxy: its own server keeps ten
at most, its agent three."""

_UCRED = struct.Struct("3i")
_CHUNK_BYTES = 65536
_BURST_S = 0.25


class Pace:
    """How fast bytes may pass, over all connections that share it: a token bucket.

    Args:
        bytes_per_s: 0: as fast as they come.
        clock: seconds, monotonic.
    """

    def __init__(self, bytes_per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = bytes_per_s
        self._clock = clock
        self._free_at = clock()  # when all that was let through so far has had its time

    def wait_s(self, count: int) -> float:
        """Let so many bytes through; return for how long the next ones have to wait."""
        if not self._rate:
            return 0.0
        now = self._clock()
        self._free_at = max(self._free_at, now - _BURST_S) + count / self._rate
        return max(0.0, self._free_at - now)


Paces = tuple[Pace, Pace]
"""Towards the far side, and back."""


def find_peer(connection: socket.socket) -> tuple[int, int]:
    """Return who opened the other end of this unix socket.

    By user where machines have users of their own, whatever processes they make. Without root
    all machines run as our user, so by process. ref: unix(7), SO_PEERCRED
    """
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(credentials)
    return uid, pid if uid == os.geteuid() else 0


def make_relay(
    connect: Connect, *, most: int, most_of_one: int | None = None, paces: Paces | None = None
) -> Handler:
    """Return a connection handler that joins each client with a fresh connection.

    Args:
        connect: opens the other side.
        most: connections at a time; further ones are closed at once, so that a hostile machine
            cannot use up the other side's descriptors.
        most_of_one: connections at a time of one peer (`find_peer`); for unix sockets.
        paces: speed limits; none when left out.
    """
    free = Pace(0)
    towards, back = paces or (free, free)
    open_now: Counter[tuple[int, int]] = Counter()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_unix = most_of_one is not None
        peer = find_peer(writer.get_extra_info("socket")) if is_unix else (0, 0)
        if open_now.total() >= most or open_now[peer] >= (most_of_one or most):
            writer.close()
            return
        open_now[peer] += 1
        try:
            await _join((reader, writer), connect, towards, back)
        finally:
            open_now[peer] -= 1
            if not open_now[peer]:
                del open_now[peer]

    return handle


def to_socket(path: str) -> Connect:
    """Return what connects to a unix socket."""

    async def connect() -> Streams:
        return await asyncio.open_unix_connection(path)

    return connect


async def _join(near: Streams, connect: Connect, towards: Pace, back: Pace) -> None:
    reader, writer = near
    try:
        far_reader, far_writer = await connect()
    except OSError:
        writer.close()  # nobody is there: the client sees its connection end
        return
    try:
        await asyncio.gather(pump(reader, far_writer, towards), pump(far_reader, writer, back))
    finally:
        for side in (writer, far_writer):
            side.close()


class Source(Protocol):
    """Where bytes come from: an `asyncio.StreamReader`, or what has its interface."""

    async def read(self, n: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""
        ...


class Sink(Protocol):
    """Where bytes go: an `asyncio.StreamWriter`, or what has its interface."""

    def write(self, data: bytes, /) -> None:
        """Take these bytes."""
        ...

    async def drain(self) -> None:
        """Return when there is room for more."""
        ...

    def can_write_eof(self) -> bool:
        """Tell whether the other side can be told that no more comes."""
        ...

    def write_eof(self) -> None:
        """Tell the other side that no more comes."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


async def pump(reader: Source, writer: Sink, pace: Pace) -> None:
    """Copy until the end of input, then tell the other side that no more comes."""
    # A connection that breaks on either side is an everyday end, not an error.
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
            if wait_s := pace.wait_s(len(data)):
                await asyncio.sleep(wait_s)
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()
