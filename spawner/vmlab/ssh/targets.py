"""Which machine somebody means by a host name. Pure.

Only one's own machines have names here, so there is no name by which somebody else's, or the host
itself, could be asked for. Nobody else's includes that of trainers and administrators: help comes
with the trainee's consent, and the operator has `vmlab machine ssh`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vmlab.names import machine_name

SSH_PORT: Final = 22
DESK: Final = "desk"


def own_machines(user: str) -> Mapping[str, str]:
    """Return the names of a user's own machines by the host names that the user knows.

    Args:
        user: the account's name.
    """
    return {DESK: machine_name(user)}


def find_machine(user: str, host: str) -> str:
    """Return the name of the machine that this user means; empty when the user has no such one."""
    return own_machines(user).get(host.lower().rstrip("."), "")
