"""Makes the hub's database agree with lab.toml about accounts, before the hub opens it.

Names and roles are lab.toml's (docs/decisions/0021): the hub refuses to change them
(`vmlab.people.account_calls`). What an older version allowed, and what has changed in lab.toml
since the last start, is settled here. No machine is stopped by it: one that loses its server to
this is on at the reconciler's first look, and given back to its owner.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jupyterhub import orm
from jupyterhub.utils import new_token
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload

from vmlab.hub.database import make_db_settings
from vmlab.hub.kept_state import kept_machine
from vmlab.hub.server_tokens import is_machines_own
from vmlab.lab.lab import Accounts
from vmlab.names import machine_name

_OWN: Final = ""
"""The name of a user's only server."""

_log = logging.getLogger(__name__)


def settle_accounts(database: Path, accounts: Accounts) -> None:
    """Make accounts agree with lab.toml.

    No-op for a database that is empty or must be upgraded first. Only for
    a database that no hub has open.
    """
    settings = make_db_settings(database)
    engine = create_engine(settings["db_url"], **settings["db_kwargs"])
    orm.register_foreign_keys(engine)
    try:
        if not inspect(engine).has_table(orm.User.__tablename__):
            return
        with Session(engine) as db:
            _settle_machines(db, frozenset(accounts.names()))
            _settle_groups(db, {role.value: names for role, names in accounts.by_role().items()})
            _end_sessions(db, frozenset(accounts.names()))
            db.commit()
    except OperationalError as error:
        # JupyterHub says so itself, and what to do, and does not start.
        _log.warning("the hub's database is of another version of JupyterHub: %s", error.orig)
    finally:
        engine.dispose()


def _settle_machines(db: Session, listed: frozenset[str]) -> None:
    """Give each machine to the account that it is named after, and to no other one."""
    owners = {machine_name(name): name for name in listed}
    query = db.query(orm.User).options(selectinload(orm.User._orm_spawners))
    users = query.order_by(orm.User.id).all()
    # An account with a running server goes first: it is the one that uses the machine.
    for user in sorted(users, key=lambda user: not _is_served(user)):
        owner = owners.get(kept_machine(user, user.name))
        if owner is None or owner == user.name:
            continue
        if user.name in listed or _is_served(orm.User.find(db, owner)):
            _log.warning(
                "account %s used the machine of %s, because it was renamed in the hub; from now "
                "on it has its own. To move files: vmlab volume export %s FILE, "
                "vmlab volume import FILE %s", user.name, owner, owner, user.name,
            )  # fmt: skip
            _take_claim(db, user)
        else:
            _name_back(db, user, owner)


def _name_back(db: Session, user: Any, owner: str) -> None:
    """Undo a rename; the account that a later start of the hub made in its place goes."""
    _log.warning("account %s gets back its name of lab.toml, %s", user.name, owner)
    newer = orm.User.find(db, owner)
    if newer is not None:
        db.delete(newer)
        db.flush()
    user.name = owner
    spawner = user.orm_spawners[_OWN]
    if spawner.server and not spawner.server.base_url.endswith(f"/user/{owner}/"):
        # It was started under the other name, and answers to that one only.
        db.delete(spawner.server)
        spawner.server = None


def _take_claim(db: Session, user: Any) -> None:
    spawner = user.orm_spawners[_OWN]
    spawner.state = {}
    if spawner.server:
        db.delete(spawner.server)
        spawner.server = None


def _is_served(user: Any | None) -> bool:
    spawner = user.orm_spawners.get(_OWN) if user is not None else None
    return spawner is not None and spawner.server is not None


def _settle_groups(db: Session, members: Mapping[str, tuple[str, ...]]) -> None:
    """Take those out of the roles' groups who do not have the role: JupyterHub only adds."""
    for group in db.query(orm.Group).filter(orm.Group.name.in_(members)):
        for user in [user for user in group.users if user.name not in members[group.name]]:
            _log.warning("account %s is no longer among the %s", user.name, group.name)
            group.users.remove(user)


def _end_sessions(db: Session, listed: frozenset[str]) -> None:
    """Log out those who are no longer in lab.toml; their machines and files stay."""
    for user in db.query(orm.User).filter(orm.User.name.not_in(listed)):
        user.cookie_id = new_token()
        for token in list(user.api_tokens):
            # A machine that runs needs its own; when it is off, the reconciler revokes that.
            if not is_machines_own(user.name, token):
                db.delete(token)
