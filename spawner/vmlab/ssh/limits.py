"""How many connections the jump host has at a time: in all, before log-in, of a place, of a user.

Pure. A connection that is refused is closed before a byte of it was read.
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

LOGIN_LIMIT_S: Final = 30.0
"""From the first byte to the log-in."""


@dataclass
class Connections:
    """Counts them."""

    starting: Counter[str] = field(default_factory=Counter)  # by place
    users: Counter[str] = field(default_factory=Counter)

    def begin(self, address: str) -> bool:
        """Count a connection that has to log in; return False if it may not be kept."""
        place = find_place(address)
        if (
            self.starting.total() + self.users.total() >= MAX_CONNECTIONS
            or self.starting.total() >= MAX_STARTING
            or self.starting[place] >= MAX_STARTING_OF_PLACE
        ):
            return False
        self.starting[place] += 1
        return True

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
