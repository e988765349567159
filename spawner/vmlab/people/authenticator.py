"""Logging in with the passwords of `vmlab.people.accounts`.

Failed attempts are limited (`vmlab.people.guesses`), so that guessing is impractical; a class
behind one address is not locked out by one member's mistakes.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
from pathlib import Path
from typing import Any, Final

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Callable, Unicode

from vmlab.errors import ConfigError
from vmlab.lab.lab import is_user_name
from vmlab.people.account_calls import ACCOUNT_HANDLERS
from vmlab.people.account_language import open_languages
from vmlab.people.accounts import read_passwords
from vmlab.people.guesses import Bound, FailureLimit, make_bounds
from vmlab.people.logout import LOGOUT_HANDLERS
from vmlab.people.start_calls import START_HANDLERS
from vmlab.people.token_calls import TOKEN_HANDLERS

_TOO_MANY = (
    "Too many failed attempts. Try again in {0} s. / "
    "Trop de tentatives infructueuses. Réessayez dans {0} s."
)
_DAMAGED = (
    "Nobody can log in at the moment; please call a facilitator. / "
    "Personne ne peut se connecter en ce moment ; appelez un encadrant."
)
_COOKIE: Final = "vmlab-browser-{}"
_COOKIE_DAYS: Final = 180


class LockedError(web.HTTPError):
    """429; the hub's error handling sends `headers`, and login.html shows `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, math.ceil(wait_s))
        super().__init__(429, _TOO_MANY.format(self.wait_s))
        self.headers = {"Retry-After": str(self.wait_s)}


class LabAuthenticator(Authenticator):  # type: ignore[misc]  # jupyterhub has no types
    """Accounts and passwords from the file that `vmlab up` writes."""

    accounts_file = Unicode(
        config=True, help="Path of accounts.toml: one password for each account, mode 0600."
    )

    database = Unicode(
        config=True, help="Path of VMLab's database; the language shown at log-in is kept there."
    )

    after_logout = Callable(
        None,
        allow_none=True,
        config=True,
        help="Coroutine that is given the name of whoever has logged out of the hub's pages.",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = FailureLimit()
        self._passwords: dict[str, str] = {}
        self._read_at: tuple[int, int, int] | None = None

    def get_handlers(self, app: Any) -> list[tuple[str, Any]]:
        """Return the page of login, and what stands before the hub's own handlers."""
        own = (*START_HANDLERS, *ACCOUNT_HANDLERS, *TOKEN_HANDLERS, *LOGOUT_HANDLERS)
        return [*super().get_handlers(app), *own]

    async def authenticate(self, handler: web.RequestHandler, data: dict[str, str]) -> str | None:
        """Return the account's name when the password is right, else None.

        Raises:
            LockedError: 429, after too many failures.
            web.HTTPError: 503, the file is damaged.
        """
        name = str(data.get("username", "")).strip().lower()
        if not is_user_name(name):
            name = ""  # counted, compared and refused like any unknown account
        given = str(data.get("password", ""))
        bounds = make_bounds(name, str(handler.request.remote_ip), _read_cookie(handler, name))
        self._check(name, bounds)  # no passwords are read for those who may not try
        passwords = await self._load()
        # Nothing is awaited between this check and the count: however many attempts come at
        # the same time, each one sees the failures of all before it.
        self._check(name, bounds)
        expected = passwords.get(name, "")
        equal = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
        if equal and expected:
            self.limit.forgive(bounds)
            _write_cookie(handler, name)
            if self.database:
                shown = str(data.get("language", ""))
                await open_languages(Path(self.database)).adopt(name, shown)
            return name
        self.limit.note(bounds)
        return None

    def _check(self, name: str, bounds: tuple[Bound, ...]) -> None:
        wait_s = self.limit.wait_s(bounds)
        if wait_s:
            self.log.warning("Too many failed logins: %r is refused for %.0f s", name, wait_s)
            raise LockedError(wait_s)

    async def _load(self) -> dict[str, str]:
        """Return the passwords; read again when the file changed, never on the event loop."""
        path = Path(self.accounts_file)
        try:
            status = await asyncio.to_thread(path.stat)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._read_at:
                self._passwords = await asyncio.to_thread(read_passwords, path)
                self._read_at = stamp
        except (ConfigError, OSError) as e:
            self.log.error("Passwords cannot be read: %s", e)
            if self._read_at is None:
                raise web.HTTPError(503, _DAMAGED) from e
            # Somebody is editing the file: the previous passwords stay valid until it is correct.
        return self._passwords


def _read_cookie(handler: web.RequestHandler, name: str) -> str:
    """Return which browser this is, if it has logged in to this account before; else nothing."""
    value = handler.get_signed_cookie(_COOKIE.format(name), max_age_days=_COOKIE_DAYS)
    return value.decode() if name and value else ""


def _write_cookie(handler: web.RequestHandler, name: str) -> None:
    """Set the cookie by which this browser is recognized at the account's next login.

    It gives no access. It is signed with its name, so it is good for no other account.
    """
    browser = _read_cookie(handler, name) or secrets.token_hex(8)
    handler.set_signed_cookie(
        _COOKIE.format(name),
        browser,
        expires_days=_COOKIE_DAYS,
        path=handler.request.path,
        httponly=True,
        samesite="Lax",
        secure=handler.request.protocol == "https",
    )
