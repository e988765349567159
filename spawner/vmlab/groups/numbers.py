"""The number of each trainee, kept in VMLab's database."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import open_database
from vmlab.errors import HostError
from vmlab.groups.rules import GroupRules


async def ensure_number(database: Path, rules: GroupRules, user: str) -> int:
    """Return the number of a user in the event's network; 0 where there is no network.

    Raises:
        HostError: none is left, or the database cannot be used.
    """
    plan = rules.addresses
    if plan is None:
        return 0

    def ensure() -> int:
        return open_database(database).numbers.ensure(user, rules.accounts, plan.trainees)

    try:
        return await asyncio.to_thread(ensure)
    except SQLAlchemyError as error:
        raise _unusable(database, error) from error


async def ensure_numbers(database: Path, rules: GroupRules) -> dict[str, int]:
    """Return the numbers of all accounts of the lab; raises as `ensure_number`."""
    plan = rules.addresses
    if plan is None:
        return {}
    try:
        numbers = open_database(database).numbers
        return await asyncio.to_thread(numbers.ensure_all, rules.accounts, plan.trainees)
    except SQLAlchemyError as error:
        raise _unusable(database, error) from error


async def find_numbers(database: Path) -> dict[str, int]:
    """Return the numbers of all who ever started a machine in a network.

    Raises:
        HostError: the database cannot be used.
    """
    try:
        return await asyncio.to_thread(open_database(database).numbers.all)
    except SQLAlchemyError as error:
        raise _unusable(database, error) from error


def _unusable(database: Path, error: Exception) -> HostError:
    return HostError(
        f"the numbers of trainees in {database} cannot be used: {error}",
        hint="check free space and who owns the state folder",
    )
