"""The number of each trainee in their event, from which addresses and names of machines follow."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmlab.database.engine import Sessions
from vmlab.database.tables import NumberRow
from vmlab.errors import HostError


class Numbers:
    """The accounts' numbers, from 1; nobody shares one."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def all(self) -> dict[str, int]:
        """Return the number of everybody who has one."""
        with self._sessions.read() as session:
            rows = session.execute(select(NumberRow.user, NumberRow.number)).all()
        return {row.user: row.number for row in rows}

    def ensure(self, user: str, accounts: Collection[str], most: int) -> int:
        """Return the number of a user, who gets one at first and keeps it.

        It is the user's place among the accounts, or else one that none of them is to have. That
        of somebody who is no longer among them is given away when no other is left.

        Args:
            accounts: of the lab, in their order.
            most: the largest number.

        Raises:
            HostError: none is left.
        """
        with self._sessions.write() as session:
            return _ensure(session, user, list(accounts), most)

    def ensure_all(self, accounts: Collection[str], most: int) -> dict[str, int]:
        """Return the numbers of all accounts, as `ensure` gives them."""
        with self._sessions.write() as session:
            return {user: _ensure(session, user, list(accounts), most) for user in accounts}


def _ensure(session: Session, user: str, accounts: list[str], most: int) -> int:
    row = session.get(NumberRow, user)
    if row is not None and row.number <= most:
        return row.number
    holders = {held.number: held for held in session.scalars(select(NumberRow))}
    tried = list(_candidates(user, accounts, most))
    free = (number for number in tried if number not in holders)
    left = (number for number in tried if holders[number].user not in accounts)
    number = next(free, 0) or next(left, 0)
    if not number:
        raise HostError(
            f"{user} gets no machines: all {most} places in the event's network are taken",
            hint="a larger range in lab.toml, [network] addresses, has more of them",
        )
    for old in {row, holders.get(number)} - {None}:
        session.delete(old)
    session.flush()
    session.add(NumberRow(user=user, number=number))
    return number


def _candidates(user: str, accounts: list[str], most: int) -> Iterator[int]:
    """Yield numbers, those to be tried first at first."""
    if user in accounts[:most]:
        yield accounts.index(user) + 1
    yield from range(len(accounts) + 1, most + 1)
    yield from range(1, min(len(accounts), most) + 1)
