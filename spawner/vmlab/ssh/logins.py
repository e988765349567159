"""Who may log in to the jump host: by a token of the hub as the password, or by a registered key.

A password of the hub's own page does not count: tokens and keys can be revoked one by one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import Database
from vmlab.errors import HostError
from vmlab.hub.access import HubAccess
from vmlab.hub.answers import HubRefusedError
from vmlab.hub.client import HubClient
from vmlab.people.guesses import FailureLimit, make_bounds
from vmlab.ssh.marks import PasswordMarks

MAX_TOKEN_CHARS: Final = 200
_CALL_LIMIT_S: Final = 10.0
_REFUSED: Final = frozenset({401, 403})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Login:
    """How somebody logged in; what has to stay true for the connection to stay."""

    user: str
    password_mark: str = field(repr=False)  # of the account's password when they logged in
    fingerprint: str = ""
    token: str = field(default="", repr=False)

    @property
    def way(self) -> str:
        """How, for the log."""
        return f"key {self.fingerprint}" if self.fingerprint else "a token"


def opens_machines(user: str, scopes: list[Any]) -> bool:
    """Tell whether a token with these scopes gives access to this user's own machines. Pure.

    A machine's own token and those that a visited machine gets are limited to a server, and are in
    other people's hands.
    """
    return "access:servers" in scopes or f"access:servers!user={user}" in scopes


class Logins:
    """Checks logins, and later whether they still hold.

    Args:
        hub_url: where the hub itself listens.
        database: VMLab's.
        accounts: the names in lab.toml; nobody else logs in.
        marks: of the passwords: one that was changed ends what was open, and the keys of before.
        limit: counts wrong tokens.
    """

    def __init__(
        self,
        hub_url: str,
        database: Database,
        accounts: frozenset[str],
        marks: PasswordMarks,
        limit: FailureLimit,
    ) -> None:
        self._hub_url = hub_url
        self._keys = database.ssh_keys
        self._accounts = accounts
        self._marks = marks
        self._limit = limit
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def by_token(self, user: str, token: str, address: str) -> Login | None:
        """Return the login by a token of this user's, None if it is not one.

        Raises:
            HostError: the hub does not answer.
        """
        name = user if user in self._accounts else ""
        bounds = make_bounds(name, address)
        # One after the other, so that each attempt sees the failures of all before it.
        async with self._turns[name]:
            if wait_s := self._limit.wait_s(bounds):
                _log.warning("%r: too many wrong tokens; refused for %.0f s", name, wait_s)
                return None
            if await self._is_token(user, token):
                self._limit.forgive(bounds)
                return Login(user, await self._mark(user), token=token)
            self._limit.note(bounds)
            return None

    async def by_key(self, user: str, fingerprint: str) -> Login | None:
        """Return the login by a key that this user has registered, else None.

        Raises:
            HostError: the database cannot be read.
        """
        mark = await self._mark(user)
        if not await self._has_key(user, fingerprint, mark):
            return None
        return Login(user, mark, fingerprint)

    async def holds(self, login: Login) -> bool:
        """Tell whether somebody who is connected could log in again.

        Raises:
            HostError: it cannot be found out now.
        """
        if await self._mark(login.user) != login.password_mark:
            return False
        if login.fingerprint:
            return await self._has_key(login.user, login.fingerprint, login.password_mark)
        return await self._is_token(login.user, login.token)

    async def note_use(self, login: Login) -> None:
        """Remember when a key was used; one that cannot be remembered is only logged."""
        if not login.fingerprint:
            return
        try:
            await asyncio.to_thread(self._keys.note_use, login.user, login.fingerprint, time.time())
        except SQLAlchemyError as error:
            _log.warning("%s: the use of a key cannot be noted: %s", login.user, error)

    async def _has_key(self, user: str, fingerprint: str, mark: str) -> bool:
        """Tell whether it is registered, and has been since the account has this password."""
        if user not in self._accounts or not mark:
            return False
        try:
            keys = await asyncio.to_thread(self._keys.of, user)
        except SQLAlchemyError as error:
            raise HostError(f"the SSH keys of {user} cannot be read: {error}") from error
        return any(key.fingerprint == fingerprint and key.mark == mark for key in keys)

    async def _is_token(self, user: str, token: str) -> bool:
        if not token.isascii() or not token.isalnum() or len(token) > MAX_TOKEN_CHARS:
            return False  # no header could carry it
        client = HubClient(HubAccess(self._hub_url, token), limit_s=_CALL_LIMIT_S)
        try:
            found = await client.call("GET", "user")
        except HubRefusedError as error:
            if error.status in _REFUSED:
                return False
            raise
        scopes = found.get("scopes")
        return (
            user in self._accounts
            and found.get("kind") == "user"
            and found.get("name") == user
            and isinstance(scopes, list)
            and opens_machines(user, scopes)
        )

    async def _mark(self, user: str) -> str:
        """Return what changes with the account's password."""
        return await asyncio.to_thread(self._marks.of, user)
