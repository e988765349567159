"""The writing end of a link: one reader's."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import termios
from enum import StrEnum

from narval.links.frame import HEADER, Kind
from narval.links.waiting import AbortedError, Bell, wait_for


class Carrier(StrEnum):
    """What a link is made of."""

    PIPE = "pipe"
    SOCKET = "socket"


class LinkWriter:
    """Writes blocks into a non-blocking descriptor, which it owns.

    Attributes:
        reader: name of the actor at the other end.
        is_lost: whether the other end has gone.
    """

    def __init__(self, descriptor: int, reader: str, carrier: Carrier, abort: Bell) -> None:
        self.reader = reader
        self.is_lost = False
        self.carrier = carrier
        self._descriptor = descriptor
        self._abort = abort

    def send(self, block: memoryview | bytes, kind: Kind = Kind.DATA) -> bool:
        """Write a block, waiting for room; return False if the reader has gone.

        Raises:
            AbortedError: the wait was given up; the link cannot be used any more.
        """
        header = HEADER.pack(len(block), kind)
        try:
            written = self._write([header, block] if len(block) else [header])
            total = len(header) + len(block)
            while written < total:
                written += self._write(_rest(header, block, written))
        except (BrokenPipeError, ConnectionError):
            self.is_lost = True
            return False
        return True

    def has_room(self) -> bool:
        """Tell whether a write would not have to wait, for the first part at least."""
        return bool(wait_for({self._descriptor: select.POLLOUT}, 0.0))

    @property
    def descriptor(self) -> int:
        """What becomes writable when there is room."""
        return self._descriptor

    def capacity_bytes(self) -> int:
        """Return how much the kernel keeps for the reader at most."""
        if self.carrier is Carrier.PIPE:
            return fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)
        with socket.socket(fileno=os.dup(self._descriptor)) as other:
            return other.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    def filled_bytes(self) -> int:
        """Return how much waits for the reader."""
        what = termios.FIONREAD if self.carrier is Carrier.PIPE else termios.TIOCOUTQ
        answer = fcntl.ioctl(self._descriptor, what, b"\0" * 4)
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Give the descriptor back; the reader sees the end. Again: no change."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _write(self, parts: list[bytes | memoryview]) -> int:
        while True:
            try:
                return os.writev(self._descriptor, parts)
            except BlockingIOError:
                wait_for({self._descriptor: select.POLLOUT}, None, self._abort)
                if self._abort.is_rung:
                    raise AbortedError from None


def _rest(header: bytes, block: memoryview | bytes, written: int) -> list[bytes | memoryview]:
    if written < len(header):
        return [header[written:], block]
    return [memoryview(block)[written - len(header) :]]
