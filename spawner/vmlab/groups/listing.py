"""The machines of a trainee as people see them: on the home page, on the board, in lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vmlab.groups.facts import Group, Member
from vmlab.groups.numbers import find_numbers
from vmlab.groups.plan import make_group
from vmlab.groups.rules import GroupRules
from vmlab.model import MachineRole, MachineSpec, MachineState, MachineStatus
from vmlab.providers.base import TellsStates


@dataclass(frozen=True)
class GroupMachine:
    """One machine of a trainee's group, now."""

    label: str  # what its trainee calls it, and what commands and requests name it by
    machine: str  # its name for the provider
    role: MachineRole
    state: MachineState
    address: str = ""  # in the event's network, without the prefix; empty: not known yet, or none
    names: tuple[str, ...] = ()  # by which all machines of the network find it, the full one first
    own_names: tuple[str, ...] = ()  # by which the same trainee's machines find it, too
    problem: str = ""  # for the operator and those who help: not for trainees
    since: float = 0.0  # seconds since the epoch: when it was powered on


async def list_machines(
    provider: TellsStates, rules: GroupRules, database: Path, user: str, desk: str
) -> tuple[GroupMachine, ...]:
    """Return a trainee's machines in the order of the lab: desk, nodes, the event's server.

    Args:
        database: VMLab's own.
        user: the trainee.
        desk: the name of their desk (`vmlab.hub.kept_state.kept_machine`).

    Raises:
        HostError: the database cannot be used.
    """
    return (await list_all_machines(provider, rules, database, {user: desk}))[user]


async def list_all_machines(
    provider: TellsStates, rules: GroupRules, database: Path, desks: Mapping[str, str]
) -> Mapping[str, tuple[GroupMachine, ...]]:
    """Return the machines of many trainees, by user; asks provider and database once.

    Args:
        desks: user → name of the desk.

    Raises:
        HostError: the database cannot be used.
    """
    numbers = await find_numbers(database) if rules.network else {}
    groups = {
        user: make_group(rules, _named(desk, user), numbers.get(user, 0))
        for user, desk in desks.items()
    }
    names = {member.spec.name for group in groups.values() for member in group.members}
    states = await provider.status(sorted(names))
    return {
        user: describe_group(group, states, is_known=bool(numbers.get(user)))
        for user, group in groups.items()
    }


def describe_group(
    group: Group, states: Mapping[str, MachineStatus], *, is_known: bool
) -> tuple[GroupMachine, ...]:
    """Return what people see of a group. Pure.

    Args:
        is_known: whether its number is known: addresses and names follow from it.
    """
    return tuple(
        _describe(member, states.get(member.spec.name), is_known=is_known or member.is_shared)
        for member in group.members
    )


def _describe(member: Member, status: MachineStatus | None, *, is_known: bool) -> GroupMachine:
    name, card = member.spec.name, member.spec.card
    status = status or MachineStatus(name, MachineState.ABSENT)
    plain = GroupMachine(
        member.label,
        name,
        member.spec.role,
        status.state,
        problem=status.problem,
        since=status.since,
    )
    if card is None or not is_known:
        return plain
    return replace(plain, address=str(card.address.ip), names=card.names, own_names=card.own_names)


def _named(desk: str, user: str) -> MachineSpec:
    """Return a desk of which only the name matters."""
    return MachineSpec(desk, user, image="", memory_mib=0, cpus=0, internet=False, volume=None)
