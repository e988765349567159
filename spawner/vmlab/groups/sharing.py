"""The event's file server: who it is told of, and what each machine is told of it.

The roster is of all accounts of the lab, whether they have machines or not, so that it changes with
`lab.toml` only: a folder and its quota are there before its trainee comes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vmlab.errors import UnsupportedError
from vmlab.files.roster import Person, make_roster, make_share
from vmlab.groups.numbers import ensure_numbers
from vmlab.groups.plan import make_server
from vmlab.groups.rules import GroupRules
from vmlab.providers.base import ServesFiles, TellsStates
from vmlab_protocol.share import Share


def make_people(rules: GroupRules, numbers: Mapping[str, int]) -> tuple[Person, ...]:
    """Return everybody who has a folder, with the addresses of all of their machines. Pure."""
    plan = rules.addresses
    if plan is None:
        return ()
    places = range(1, rules.machines + 1)
    return tuple(
        Person(
            user,
            tuple(plan.address(numbers[user], place).ip for place in places),
            user in rules.trainers,
        )
        for user in rules.accounts
    )


def find_share(rules: GroupRules, user: str, *, is_desk: bool = False) -> Share | None:
    """Return what a user's machines are told of the file server; None: nothing.

    Args:
        is_desk: it is for the desk, whose home may be there. Nodes have the same files in
            `~/shared/mine`, and homes of their own: two machines that share one would share the
            state of every program, too.
    """
    server = make_server(rules)
    if rules.room is None or server is None or server.spec.card is None:
        return None
    if user not in rules.accounts:
        return None
    person = Person(user, is_trainer=user in rules.trainers)
    share = make_share(person, server.spec.card.address.ip)
    return replace(share, is_home=is_desk and rules.has_homes)


def has_home_on_server(rules: GroupRules, user: str) -> bool:
    """Tell whether the home of this user's desk is on the file server."""
    share = find_share(rules, user, is_desk=True)
    return share is not None and share.is_home


async def serve_files(provider: TellsStates, database: Path, rules: GroupRules) -> None:
    """Have the event's server serve everybody's folders; no-op where the lab asks for none.

    Raises:
        UnsupportedError: the provider can tell no file server anything.
        LabError: the server cannot do it, or the database cannot be used.
    """
    if rules.room is None or rules.network is None:
        return
    if not isinstance(provider, ServesFiles):
        raise UnsupportedError(
            rules.server_machine,
            f"provider {provider.features.name} has no file servers",
            hint="remove `files` of [server] from lab.toml, or use another provider",
        )
    people = make_people(rules, await ensure_numbers(database, rules))
    # A later roster has a higher serial, also after a restart of the hub.
    serial = time.time_ns() // 1_000_000
    roster = make_roster(people, rules.network.addresses, rules.room, serial=serial)
    await provider.serve_files(rules.server_machine, roster)
