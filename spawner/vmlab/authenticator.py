"""Logging in with the passwords of `vmlab.accounts`.

Failed attempts are limited per account and place, so that guessing is hopeless; a class behind one
address is not locked out by the mistakes of one of its members.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Unicode

from vmlab.accounts import read_passwords
from vmlab.errors import ConfigError
from vmlab.lab import is_user_name

MOST_FAILURES = 5
"""Failed attempts per account and place within WINDOW_S."""

MOST_FAILURES_OF_A_PLACE = 100
"""Failed attempts from one address, whatever the account: a whole class may sit behind it."""

WINDOW_S = 60.0
_MOST_KEYS = 10_000

_TOO_MANY = (
    "Too many failed attempts. Wait a minute, then try again. / "
    "Trop d'essais sans succès. Attendez une minute, puis réessayez."
)
_DAMAGED = (
    "Nobody can log in at the moment; please call a facilitator. / "
    "Personne ne peut se connecter en ce moment ; appelez un encadrant."
)


class FailureLimit:
    """Counts failures per key in a sliding window; bounded in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def note(self, *key: str) -> None:
        """Count one failure."""
        failures = self._failures.setdefault(key, deque(maxlen=MOST_FAILURES_OF_A_PLACE))
        failures.append(self._clock())
        self._failures.move_to_end(key)
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def count(self, *key: str) -> int:
        """Return the failures of the last WINDOW_S seconds."""
        start = self._clock() - WINDOW_S
        return sum(1 for at in self._failures.get(key, ()) if at > start)

    def forget(self, *key: str) -> None:
        """Start again from zero."""
        self._failures.pop(key, None)


class LabAuthenticator(Authenticator):  # type: ignore[misc]  # jupyterhub has no types
    """Accounts and passwords from the file that `vmlab up` writes."""

    accounts_file = Unicode(
        config=True, help="Path of accounts.toml: one password for each account, mode 0600."
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = FailureLimit()
        self._passwords: dict[str, str] = {}
        self._read_at: tuple[int, int, int] | None = None

    async def authenticate(self, handler: web.RequestHandler, data: dict[str, str]) -> str | None:
        """Return the account's name when the password is right, else None.

        Raises:
            web.HTTPError: 429 after too many failures; 503 when the file is damaged.
        """
        name = str(data.get("username", "")).strip().lower()
        place = str(handler.request.remote_ip)
        if not is_user_name(name):
            name = ""  # counted, compared and refused like any unknown account
        if (
            self.limit.count(name, place) >= MOST_FAILURES
            or self.limit.count(place) >= MOST_FAILURES_OF_A_PLACE
        ):
            self.log.warning("Too many failed log-ins for %r from %s", name, place)
            raise web.HTTPError(429, _TOO_MANY)
        passwords = await self._load()
        expected = passwords.get(name, "")
        given = str(data.get("password", ""))
        equal = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
        if equal and expected:
            self.limit.forget(name, place)
            return name
        self.limit.note(name, place)
        self.limit.note(place)
        return None

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
            # Somebody is editing the file: the passwords of before stay valid until it is right.
        return self._passwords
