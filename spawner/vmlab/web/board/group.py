"""What is told of the machines of a trainee's group, to the trainee and on the board. Pure.

The forms are in docs/protocols.md, section 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmlab.groups.listing import GroupMachine
from vmlab.model import MachineRole, MachineState, NetworkSpec, NetworkStatus
from vmlab.web.board.people import Seat
from vmlab_protocol.notices import Notice

PENDING = "pending"
WAITING = "waiting"
UNKNOWN = "unknown"
SHOWN_PROBLEM = 300
"""Characters of a problem that the board shows."""

_SHOWN_NAMES = 5


@dataclass(frozen=True)
class GroupRights:
    """What the reader may do with the machines of a group."""

    own: bool = False  # read the console of the trainee's own machines, and restart them
    shared: bool = False  # the same of the server


@dataclass(frozen=True)
class GroupFacts:
    """Everything that a trainee's list is made from."""

    machines: tuple[GroupMachine, ...]
    seat: Seat  # of the server in the desk
    network: NetworkSpec | None = None
    restarting: Collection[str] = ()  # labels
    failed: Mapping[str, Notice] = field(default_factory=dict)  # why a restart failed, by label


def tell_group(facts: GroupFacts, rights: GroupRights) -> dict[str, Any]:
    """Return the answer of `GET machines/USER`."""
    network = facts.network
    return {
        "machines": [_row(facts, each, rights) for each in facts.machines],
        "network": {"addresses": str(network.addresses), "meet": network.meeting.value}
        if network
        else None,
    }


def _row(facts: GroupFacts, machine: GroupMachine, rights: GroupRights) -> dict[str, Any]:
    is_shared = machine.role is MachineRole.SERVER
    may = rights.shared if is_shared else rights.own
    state = _state(facts, machine)
    # A group that is off is started as a whole, and one that starts has not come so far.
    is_on = is_shared or bool(facts.seat.url)
    is_well = state == MachineState.RUNNING or not is_on
    failure = None if is_well else facts.failed.get(machine.label)
    return {
        "label": machine.label,
        "role": machine.role.value,
        "machine": machine.machine,
        "state": state,
        "place": facts.seat.place if machine.role is MachineRole.DESK else 0,
        "address": machine.address,
        "names": list(machine.names),
        "own_names": list(machine.own_names),
        "may_console": may and machine.state is not MachineState.ABSENT,
        "may_restart": may and is_on and state != PENDING,
        "may_renew": rights.own and not is_shared and is_on and state != PENDING,
        "message": {"en": failure.en, "fr": failure.fr} if failure else None,
    }


def _state(facts: GroupFacts, machine: GroupMachine) -> str:
    if machine.label in facts.restarting:
        return PENDING
    if machine.role is MachineRole.DESK:
        return seat_state(facts.seat, machine.state)
    return machine.state.value


def seat_state(seat: Seat, state: MachineState | None) -> str:
    """Return what the machine of a hub's server does; what the hub is about to do counts first.

    Args:
        state: what its provider says; None: that is not known.
    """
    if seat.place:
        return WAITING
    if seat.pending:
        return PENDING
    return UNKNOWN if state is None else state.value


# -- for the board ---------------------------------------------------------------------------------


def further_machines(group: Iterable[GroupMachine]) -> list[dict[str, str]]:
    """Return label, state and problem of a trainee's machines beside the desk."""
    return [tell_machine(each) for each in group if each.role is MachineRole.NODE]


def tell_machine(machine: GroupMachine) -> dict[str, str]:
    """Return label, state and problem of a machine."""
    return {
        "label": machine.label,
        "state": machine.state.value,
        "problem": machine.problem[:SHOWN_PROBLEM],
    }


def limited_machines(
    group: Iterable[GroupMachine], networks: Iterable[NetworkStatus]
) -> list[dict[str, str]]:
    """Return those of these machines that sent more than their network allows within a minute."""
    flooding = {name for network in networks for name in network.flooding}
    return [
        {"label": each.label, "name": each.names[0] if each.names else each.label}
        for each in group
        if each.machine in flooding
    ]


def network_notes(networks: Iterable[NetworkStatus]) -> tuple[Notice, ...]:
    """Return a note for each network with which something is wrong."""
    return tuple(
        Notice(
            f"The network {each.name} has a problem: {each.problem}",
            f"Le réseau {each.name} a un problème\u202f: {each.problem}",
        )
        for each in networks
        if each.problem
    )


def absence_notes(
    groups: Iterable[Iterable[GroupMachine]], networks: Iterable[NetworkStatus], name: str
) -> tuple[Notice, ...]:
    """Return a note on machines that run and are not in their network: nobody finds them there.

    So it is after a network was removed under them, or after it broke down with its keeper.

    Args:
        name: of the lab's network; one with a problem of its own is told of by `network_notes`.
    """
    there = next((each for each in networks if each.name == name), NetworkStatus(name))
    if there.problem:
        return ()
    missing = {
        each.machine: each.names[0]
        for group in groups
        for each in group
        if each.state is MachineState.RUNNING and each.names and each.machine not in there.machines
    }
    if not missing:
        return ()
    few = sorted(missing.values())[:_SHOWN_NAMES]
    more = len(missing) - len(few)
    listed = ", ".join(few)
    return (
        Notice(
            f"Not in the network {name}, though they run: {listed}"
            f"{f' and {more} more' if more else ''}. Others cannot reach them until they are "
            "restarted.",
            f"Absentes du réseau {name} alors qu'elles sont en marche\u202f: {listed}"
            f"{f' et {more} autres' if more else ''}. Les autres ne peuvent pas les joindre avant "
            "leur redémarrage.",
        ),
    )
