"""What tells one password of an account from the next, without being one.

A key that somebody registered counts as long as the account's password is the one of then: whoever
changes a password because somebody else knew it gets rid of that one's keys as well, and so does
whoever gives the name of an account to another person.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

from vmlab.errors import ConfigError, LabError
from vmlab.paths import Paths
from vmlab.people.accounts import read_passwords
from vmlab.ssh.host_key import HOST_KEY, ensure_keys, read_private_key

_log = logging.getLogger(__name__)


class PasswordMarks:
    """The marks of all accounts, read again when the file of passwords changed. Blocking.

    Args:
        paths: of the lab. The marks are made with the hub's own key, so that nobody who reads the
            database can try passwords.
    """

    def __init__(self, paths: Paths) -> None:
        self._file = paths.accounts
        self._folder = paths.ssh
        self._marks: Mapping[str, str] | None = None
        self._read_at: tuple[int, int, int] | None = None

    def all(self) -> Mapping[str, str] | None:
        """Return the mark of each account; None: the passwords were never readable.

        While somebody is editing the file, and has made a mistake, those of before count.
        """
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._read_at:
                self._marks = self._read()
                self._read_at = stamp
        except (ConfigError, OSError) as error:
            _log.warning("passwords cannot be read, those of before count: %s", error)
        except LabError as error:
            _log.error("the marks of passwords cannot be made: %s", error)
        return self._marks

    def of(self, user: str) -> str:
        """Return the mark of an account; empty where it is not known: nothing counts then."""
        return (self.all() or {}).get(user, "")

    def _read(self) -> Mapping[str, str]:
        ensure_keys(self._folder)
        secret = hashlib.sha256(read_private_key(self._folder, HOST_KEY)).digest()
        return {
            name: hashlib.blake2b(f"{name}\0{password}".encode(), key=secret).hexdigest()[:64]
            for name, password in read_passwords(self._file).items()
        }
