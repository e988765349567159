"""Who is on the board: the hub's users and their servers, as plain values.

Read on the hub's event loop, because the hub's database session belongs to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy.orm import selectinload

from vmlab.hub.kept_state import kept_machine

STAFF_SCOPE = "admin-ui"


@dataclass(frozen=True)
class Group:
    """A group of the hub."""

    name: str


@dataclass(frozen=True)
class Seat:
    """One server of a user, running or not."""

    name: str  # server name; empty for the default server
    machine: str  # the one that the hub keeps for it
    pending: str = ""  # "spawn", "stop" or empty
    # Position in the queue for a start slot, 1 for the next one; 0: not in the queue.
    place: int = 0
    url: str = ""  # path under which it is reached; empty unless it is ready


@dataclass(frozen=True)
class Person:
    """A user, with what `jupyterhub.scopes.check_scope_filter` looks at: name and groups."""

    name: str
    groups: tuple[Group, ...]
    is_staff: bool
    seats: tuple[Seat, ...]
    last_active: float | None = None  # when the hub last saw a request of theirs


def list_people(db: Any, users: Any) -> tuple[Person, ...]:
    """Return all users of the hub, by name.

    Args:
        db: the hub's database session.
        users: the hub's `UserDict`, which knows what is pending.
    """
    staff = _staff_ids(db)
    query = (
        db.query(orm.User)
        .options(selectinload(orm.User.groups), selectinload(orm.User._orm_spawners))
        .order_by(orm.User.name)
    )
    return tuple(
        Person(
            name=user.name,
            groups=tuple(Group(group.name) for group in user.groups),
            is_staff=user.id in staff,
            seats=_seats(user, _cached(users, user)),
            last_active=_epoch(user.last_activity),
        )
        for user in query
    )


def find_seat(users: Any, orm_user: Any, server: str = "") -> Seat:
    """Return one server of a user of the hub's database; arguments as of `list_people`."""
    return _seat(orm_user, _cached(users, orm_user), server)


def _epoch(moment: datetime | None) -> float | None:
    """Return seconds since the epoch; the hub's database has UTC without saying so."""
    return moment.replace(tzinfo=UTC).timestamp() if moment else None


def _staff_ids(db: Any) -> set[int]:
    """Return the users who may open the board: they watch, and are not watched."""
    ids: set[int] = set()
    for role in db.query(orm.Role):
        if any(scope.partition("!")[0] == STAFF_SCOPE for scope in role.scopes):
            ids.update(user.id for user in role.users)
            ids.update(user.id for group in role.groups for user in group.users)
    return ids


def _cached(users: Any, orm_user: Any) -> Any | None:
    """Return the hub's wrapper of a user if it has one: without, nothing of theirs runs.

    `UserDict.get` would make one, and every user of the database would stay in memory.
    """
    if orm_user not in users:
        return None
    return users[orm_user]


def _seats(orm_user: Any, user: Any | None) -> tuple[Seat, ...]:
    names = sorted({"", *orm_user.orm_spawners})
    return tuple(_seat(orm_user, user, name) for name in names)


def _seat(orm_user: Any, user: Any | None, name: str) -> Seat:
    machine = kept_machine(orm_user, orm_user.name, name)
    if user is None or name not in user.spawners:
        return Seat(name, machine)
    spawner = user.spawners[name]
    return Seat(
        name=name,
        machine=getattr(spawner, "machine", machine),
        pending=spawner.pending or "",
        place=getattr(spawner, "place", 0),  # another spawner class has no line
        url=user.server_url(name) if spawner.ready else "",
    )
