"""Carries bytes between the agent and whoever connects, one at a time: standard library only.

As a carrier does that dials the hub from within a machine: the agent has one end of a pair of
sockets for all its life, and never learns who listens at the other one.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

READ_BYTES = 64 * 1024


def carry(listening: socket.socket, agent: socket.socket) -> None:
    """Carry for ever; what the agent says while nobody listens is lost.

    Args:
        listening: where callers connect.
        agent: the other end of what the agent has.
    """
    ways = _Ways(agent)
    threading.Thread(target=ways.carry_out, name="out", daemon=True).start()
    while True:
        caller, _ = listening.accept()
        with caller:
            ways.carry_in(caller)


class _Ways:
    """In from the present caller, and out to it."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._caller: socket.socket | None = None

    def carry_in(self, caller: socket.socket) -> None:
        self._caller = caller
        self._agent.sendall(b"\n")  # ends what an earlier caller left half said
        with suppress(OSError):  # of the caller, who has gone
            while data := caller.recv(READ_BYTES):
                self._agent.sendall(data)
        self._caller = None

    def carry_out(self) -> None:
        while data := self._agent.recv(READ_BYTES):
            if caller := self._caller:
                with suppress(OSError):
                    caller.sendall(data)
