"""Which machine somebody means by a host name. Pure.

Only one's own machines have names here, so there is no name by which somebody else's, or the host
itself, could be asked for. Nobody else's includes that of trainers and administrators: help comes
with the trainee's consent, and the operator has `vmlab machine ssh`.

Whose a machine is, is said by the provider's record of its last start, not by its name: an account
that was renamed keeps its machine, and whoever has the old name now does not get at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from vmlab.groups.rules import GroupRules
from vmlab.lab.start_order import DESK
from vmlab.model import MachineState, MachineStatus
from vmlab.names import is_desk, machine_name

SSH_PORT: Final = 22

HUB: Final = "vmlab-hub"
"""What the hub itself is called in the settings of ssh."""

_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


def own_machines(
    rules: GroupRules, user: str, statuses: Mapping[str, MachineStatus]
) -> Mapping[str, str]:
    """Return the names of a user's own machines by the host names that the user knows.

    They need not exist yet. The event's server is nobody's own.

    Args:
        rules: which machines everybody has.
        user: the account's name.
        statuses: of all machines there are.
    """
    desk = _find_desk(user, statuses)
    return {DESK: desk, **rules.node_machines(desk)}


def find_machine(
    rules: GroupRules, user: str, host: str, statuses: Mapping[str, MachineStatus]
) -> str:
    """Return the name of the machine that this user means; empty when the user has no such one.

    A host name that is not one of the lab's is that of a named server of the user's, which exists.
    """
    host = host.lower().rstrip(".")
    own = own_machines(rules, user, statuses)
    if host in own:
        return own[host]
    named = machine_name(user, host) if host else ""
    return named if named in statuses and belongs(statuses[named], user) else ""


def belongs(status: MachineStatus, user: str) -> bool:
    """Tell whether a machine is this user's; one that is not there is nobody's."""
    return status.state is not MachineState.ABSENT and bool(user) and status.owner == user


def server_hosts(rules: GroupRules, servers: Iterable[str]) -> Mapping[str, str]:
    """Return by which host names a user's named servers are reached, of those that can be.

    Args:
        rules: which machines everybody has: their names go first.
        servers: the hub's names of them; ssh makes all letters of a host name small.
    """
    taken = {DESK, HUB, *(node.name for node in rules.nodes)}
    return {name: name for name in servers if _HOST.fullmatch(name) and name not in taken}


def _find_desk(user: str, statuses: Mapping[str, MachineStatus]) -> str:
    """Return the machine named after the user; of one who was renamed, the one that they have."""
    name = machine_name(user)
    if name in statuses:
        return name
    kept = [
        other
        for other, status in statuses.items()
        if is_desk(other) and belongs(status, user) and _stem(other) != _stem(name)
    ]
    return kept[0] if len(kept) == 1 else name


def _stem(machine: str) -> str:
    """Return what the machines of one account's servers have in common in their names."""
    return machine.rpartition("-")[0]
