"""How many connections the jump host has at a time: in all, before log-in, of a place, of a user.

Pure. A connection that is refused is closed before a byte of it was read. What all of them together
take of the process's file descriptors is bounded, and there are fewer where it may not open as
many: whoever is in stays in, and whoever comes then has to come later.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from vmlab.people.guesses import find_place

MAX_CONNECTIONS: Final = 512
MAX_STARTING: Final = 64
"""That have not logged in yet: a handshake costs some 10 ms of a processor."""

MAX_STARTING_OF_PLACE: Final = 32
"""A whole class may sit behind one address, and come at once."""

MAX_OF_USER: Final = 20
"""An editor keeps two or three, each terminal and each copy one."""

MAX_CHANNELS: Final = 10
"""Of one connection, each to one machine."""

MAX_ALL_CHANNELS: Final = 1024
"""Of all connections: mostly each has one."""

_OWN_DESCRIPTORS: Final = 256
"""Of a process without connections: sockets, database, log; and what it asks of the hub and tells
machines meanwhile."""

HUB_DESCRIPTORS: Final = 2 * MAX_CONNECTIONS
"""Of the hub, where all connections come by its own address: from the proxy, to this process."""

LOGIN_LIMIT_S: Final = 30.0
"""From the first byte to the log-in."""


@dataclass(frozen=True)
class Room:
    """For how many connections and channels a process has file descriptors."""

    connections: int = MAX_CONNECTIONS
    channels: int = MAX_ALL_CHANNELS

    @property
    def descriptors(self) -> int:
        """How many that takes: one for each connection, and one for each channel."""
        return _OWN_DESCRIPTORS + self.connections + self.channels


def find_room(limit: int) -> Room:
    """Return what fits into so many file descriptors: all, or a channel or two for each connection.

    Args:
        limit: how many the process may open; a negative one is none (RLIM_INFINITY).
    """
    full = Room()
    if limit < 0 or limit >= full.descriptors:
        return full
    connections = max(1, (limit - _OWN_DESCRIPTORS) // 3)
    return Room(min(connections, MAX_CONNECTIONS), 2 * connections)


@dataclass
class Connections:
    """Counts them."""

    room: Room = Room()
    channels: int = 0  # of all connections
    starting: Counter[str] = field(default_factory=Counter)  # by place
    users: Counter[str] = field(default_factory=Counter)

    def begin(self, address: str) -> bool:
        """Count a connection that has to log in; return False if it may not be kept."""
        if not self.has_room(address):
            return False
        self.starting[find_place(address)] += 1
        return True

    def has_room(self, address: str) -> bool:
        """Tell whether another connection from there may begin now."""
        return (
            self.starting.total() + self.users.total() < self.room.connections
            and self.starting.total() < MAX_STARTING
            and self.starting[find_place(address)] < MAX_STARTING_OF_PLACE
        )

    def open_channel(self) -> bool:
        """Count a channel; return False, and do not, if it is too many."""
        if self.channels >= self.room.channels:
            return False
        self.channels += 1
        return True

    def close_channel(self) -> None:
        """Count it no longer."""
        self.channels -= 1

    def drop(self, address: str) -> None:
        """Count no longer one that has begun and did not log in."""
        _decrease(self.starting, find_place(address))

    def log_in(self, address: str, user: str) -> bool:
        """Count one that has begun as this user's; return False, and do not, if it is too many."""
        if self.users[user] >= MAX_OF_USER:
            return False
        self.drop(address)
        self.users[user] += 1
        return True

    def log_out(self, user: str) -> None:
        """Count no longer one of this user's."""
        _decrease(self.users, user)


def _decrease(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
