"""From facts to the list of people and their machines, below the board. Pure.

The form is in docs/protocols.md, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vmlab.lab.lab import Role
from vmlab.model import MachineStatus
from vmlab.web.board.people import Person, Seat
from vmlab.web.board.rows import machine_facts

UNLISTED = "unlisted"
"""The role of an account that lab.toml does not have (any more)."""

May = Callable[[Person, Seat], bool]


@dataclass(frozen=True)
class Rights:
    """What the reader may do with a person's server."""

    start: May
    stop: May
    open: May


def make_roster(
    statuses: Mapping[str, MachineStatus] | None, people: Iterable[Person], rights: Rights
) -> list[dict[str, Any]]:
    """Return a row for each server of these people, who have one each, whoever they are."""
    return [
        {
            "user": person.name,
            "role": find_role(person),
            **machine_facts(statuses, seat),
            "active": person.last_active,
            "may_start": rights.start(person, seat),
            "may_stop": rights.stop(person, seat),
            "url": seat.url if seat.url and rights.open(person, seat) else "",
        }
        for person in people
        for seat in person.seats
    ]


def find_role(person: Person) -> str:
    """Return the key of [accounts] in which lab.toml has the person: hub groups are named so."""
    names = {group.name for group in person.groups}
    return next((role.value for role in Role if role.value in names), UNLISTED)
