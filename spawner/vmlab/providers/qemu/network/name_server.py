"""Answers for names on the network's own address. Standard library only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address

from vmlab.providers.qemu.network.names import Names, answer

PORT = 53

_QUERY_BYTES = 1500
_QUERIES_A_TURN = 64
_BUFFER_BYTES = 1 << 20  # a whole class may ask at once
_SO_RCVBUFFORCE = 33


class NameServer:
    """One UDP socket; every answer fits into one datagram.

    Args:
        address: where it answers; an address of this namespace.

    Raises:
        OSError: it cannot be bound.
    """

    def __init__(self, address: IPv4Address) -> None:
        self.names: Names | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(PermissionError):
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            self._socket.bind((str(address), PORT))
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._serve)

    def close(self) -> None:
        """Answer nothing more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _serve(self) -> None:
        for _ in range(_QUERIES_A_TURN):
            try:
                query, (asker, port) = self._socket.recvfrom(_QUERY_BYTES)
            except BlockingIOError:
                return
            except OSError:  # what a machine said to an earlier answer
                continue
            reply = answer(query, IPv4Address(asker), self.names) if self.names else None
            if reply is not None:
                with contextlib.suppress(OSError):  # lost, as any datagram may be
                    self._socket.sendto(reply, (asker, port))
