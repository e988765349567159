"""From facts to the machines of a trainee's group, for the trainee and for the board. Pure.

The forms are in docs/protocols.md, section 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmlab.model import Card, MachineRole, MachineState, MachineStatus, NetworkStatus
from vmlab.web.board.people import Seat
from vmlab_protocol.notices import Notice

PENDING = "pending"
WAITING = "waiting"
UNKNOWN = "unknown"
SHOWN_PROBLEM = 300
"""Characters of a problem that the board shows."""

Statuses = Mapping[str, MachineStatus] | None
"""By machine; None when the provider could not be asked."""


@dataclass(frozen=True)
class GroupMachine:
    """A machine of a trainee's group, or the server that all share."""

    machine: str  # its name with the provider
    label: str  # what its trainee calls it: "desk", "node1", "server"
    role: MachineRole
    card: Card | None = None  # its place in the event's network


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
    statuses: Statuses
    restarting: Collection[str] = ()
    failed: Mapping[str, Notice] = field(default_factory=dict)  # why a restart failed, by machine


def make_group(facts: GroupFacts, rights: GroupRights) -> dict[str, Any]:
    """Return the answer of `GET machines/USER`."""
    cards = [each.card for each in facts.machines if each.card]
    return {
        "machines": [_row(facts, each, rights) for each in facts.machines],
        "network": {"addresses": str(cards[0].network.addresses), "meet": cards[0].network.meeting}
        if cards
        else None,
    }


def _row(facts: GroupFacts, machine: GroupMachine, rights: GroupRights) -> dict[str, Any]:
    card, name = machine.card, machine.machine
    is_shared = machine.role is MachineRole.SERVER
    may = rights.shared if is_shared else rights.own
    state = _state(facts, machine)
    is_on = is_shared or bool(facts.seat.url)
    failure = facts.failed.get(name) if is_on and state != MachineState.RUNNING else None
    return {
        "label": machine.label,
        "role": machine.role,
        "machine": name,
        "state": state,
        "place": facts.seat.place if machine.role is MachineRole.DESK else 0,
        "address": str(card.address.ip) if card else "",
        "names": list(card.names) if card else [],
        "own_names": list(card.own_names) if card else [],
        "may_console": may and state != MachineState.ABSENT,
        # A group that is off is started as a whole, and one that starts has not come so far.
        "may_restart": may and is_on and state != PENDING,
        "message": {"en": failure.en, "fr": failure.fr} if failure else None,
    }


def _state(facts: GroupFacts, machine: GroupMachine) -> str:
    if machine.machine in facts.restarting:
        return PENDING
    if machine.role is MachineRole.DESK:
        return seat_state(facts.seat, facts.statuses)
    return machine_state(machine.machine, facts.statuses)


def seat_state(seat: Seat, statuses: Statuses) -> str:
    """Return what the machine of a hub's server does; what the hub is about to do counts first."""
    if seat.place:
        return WAITING
    if seat.pending:
        return PENDING
    return machine_state(seat.machine, statuses)


def machine_state(machine: str, statuses: Statuses) -> str:
    """Return what a machine does, as its provider says."""
    if statuses is None:
        return UNKNOWN
    status = statuses.get(machine)
    return (status.state if status else MachineState.ABSENT).value


# -- for the board ---------------------------------------------------------------------------------


def further_machines(group: Iterable[GroupMachine], statuses: Statuses) -> list[dict[str, str]]:
    """Return label, state and problem of a trainee's machines beside the desk."""
    return [
        {
            "label": each.label,
            "state": machine_state(each.machine, statuses),
            "problem": machine_problem(each.machine, statuses),
        }
        for each in group
        if each.role is MachineRole.NODE
    ]


def machine_problem(machine: str, statuses: Statuses) -> str:
    """Return what is wrong with a machine, as its provider says; empty: nothing is known."""
    status = (statuses or {}).get(machine)
    return status.problem[:SHOWN_PROBLEM] if status else ""


def limited_machines(
    group: Iterable[GroupMachine], networks: Iterable[NetworkStatus]
) -> list[dict[str, str]]:
    """Return those of these machines that sent more than their network allows within a minute."""
    flooding = {name for network in networks for name in network.flooding}
    return [
        {"label": each.label, "name": each.card.names[0] if each.card else each.label}
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
