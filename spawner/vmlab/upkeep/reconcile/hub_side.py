"""The hub's side of the facts, read from within the hub's process, and what is done to it.

All of it runs on the hub's event loop, to which its database session belongs.
"""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from sqlalchemy.orm import selectinload

from vmlab.groups.rules import GroupRules
from vmlab.hub.client import HubClient
from vmlab.hub.kept_state import kept_machine
from vmlab.hub.server_tokens import NOTE, token_server
from vmlab.upkeep.reconcile.facts import Seat, ServerToken


class HubSide:
    """The hub that this process is.

    Args:
        client: its API.
        rules: which machines belong to a server.
    """

    def __init__(self, client: HubClient, rules: GroupRules) -> None:
        self._client = client
        self._rules = rules
        self._is_up = False

    async def wait_until_up(self) -> None:
        """Return when the hub knows its servers of before.

        Raises:
            HostError: it does not come up.
        """
        if not self._is_up:
            await self._client.wait_until_up()
            self._is_up = True

    def seats(self) -> tuple[Seat, ...]:
        """Return every server of every user, running or not."""
        app = JupyterHub.instance()
        query = app.db.query(orm.User).options(selectinload(orm.User._orm_spawners))
        return tuple(
            self._seat(app.users, user, name)
            for user in query
            for name in sorted({"", *user.orm_spawners})
        )

    def _seat(self, users: Any, orm_user: Any, name: str) -> Seat:
        # `UserDict` would make a wrapper for every user of the database, and keep it.
        spawner = users[orm_user].spawners.get(name) if orm_user in users else None
        kept = kept_machine(orm_user, orm_user.name, name)
        machine = getattr(spawner, "machine", kept)
        return Seat(
            orm_user.name,
            name,
            machine,
            ready=bool(spawner and spawner.ready),
            pending=bool(spawner and (spawner.pending or _is_cut(spawner))),
            # A named server is a machine on its own.
            nodes=() if name else tuple(self._rules.node_machines(machine).values()),
        )

    def tokens(self) -> tuple[ServerToken, ...]:
        """Return the tokens that the hub made for servers."""
        db = JupyterHub.instance().db
        query = db.query(orm.APIToken).filter(orm.APIToken.note.startswith(NOTE))
        found = []
        for token in query.options(selectinload(orm.APIToken.user)):
            if token.user is None:
                continue
            server = token_server(token.user.name, list(token.scopes))
            if server is not None:
                created = str(token.created)
                found.append(ServerToken(token.id, created, token.user.name, server))
        return tuple(found)

    async def adopt(self, user: str, server: str) -> None:
        """Start the server: its machine is taken over and seeded again, or its start goes on.

        Raises:
            HostError: the hub refused.
        """
        await self._client.start_server(user, server)

    async def forget(self, user: str, server: str) -> None:
        """Have the hub look itself, now, whether the server still runs, and clean up if not."""
        app = JupyterHub.instance()
        orm_user = orm.User.find(app.db, user)
        if orm_user is None or orm_user not in app.users:
            return
        owner = app.users[orm_user]
        spawner = owner.spawners.get(server)
        if spawner is None or not spawner.ready:
            return
        await spawner.poll_and_notify()
        # Whom to tell is known to JupyterHub's memory only, and was lost once when a start was
        # cut in the moment in which its machine got ready: nobody ended the server then.
        if spawner.ready and await spawner.poll() is not None:
            await app.proxy.delete_user(owner, server)
            await owner.stop(server)

    def revoke(self, token: ServerToken) -> None:
        """Delete a token; no-op if it is gone."""
        db = JupyterHub.instance().db
        found = db.query(orm.APIToken).filter(orm.APIToken.id == token.number).first()
        if found is not None and str(found.created) == token.created:
            db.delete(found)
            db.commit()


def _is_cut(spawner: Any) -> bool:
    """Tell whether somebody ended a start, and JupyterHub has not stopped what it left yet.

    For a second it takes the server for ready (`DELETE users/NAME/server`). Whoever ended the
    server in that second would have the caller get an error instead of an answer.
    """
    return bool(spawner._start_pending)
