"""Which machine somebody means by a host name. Pure.

Only one's own machines have names here, so there is no name by which somebody else's, or the host
itself, could be asked for. Nobody else's includes that of trainers and administrators: help comes
with the trainee's consent, and the operator has `vmlab machine ssh`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vmlab.groups.rules import GroupRules
from vmlab.lab.start_order import DESK
from vmlab.names import machine_name

SSH_PORT: Final = 22


def own_machines(rules: GroupRules, user: str) -> Mapping[str, str]:
    """Return the names of a user's own machines by the host names that the user knows.

    The event's server is nobody's own.

    Args:
        rules: which machines everybody has.
        user: the account's name.
    """
    desk = machine_name(user)
    return {DESK: desk, **rules.node_machines(desk)}


def find_machine(rules: GroupRules, user: str, host: str) -> str:
    """Return the name of the machine that this user means; empty when the user has no such one."""
    return own_machines(rules, user).get(host.lower().rstrip("."), "")
