"""Connections whose other machine has gone without a word."""

from __future__ import annotations

import socket


def watch_for_silence(link: socket.socket) -> None:
    """Have the kernel end a connection whose other machine has been silent for half a minute.

    And send at once what is written.
    """
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 10),
        (socket.TCP_KEEPINTVL, 5),
        (socket.TCP_KEEPCNT, 4),
        (socket.TCP_NODELAY, 1),
    ):
        link.setsockopt(socket.IPPROTO_TCP, option, value)
