"""Who may log in with SSH by which public key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, update

from vmlab.database.engine import Sessions
from vmlab.database.tables import SshKeyRow


@dataclass(frozen=True)
class SshKey:
    """A public key that somebody registered. Times are seconds since the epoch."""

    user: str
    fingerprint: str  # SHA256:..., as `ssh-keygen -l` prints it
    line: str  # type, key in base64 and comment, as in a .pub file
    added: float
    used: float | None = None  # last log-in by it
    mark: str = ""  # of the account's password when it was registered (`vmlab.ssh.marks`)


class SshKeys:
    """The registered keys."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def all(self) -> list[SshKey]:
        """Return everybody's keys, by user and time."""
        return self._find()

    def of(self, user: str) -> list[SshKey]:
        """Return this user's keys, the oldest first."""
        return self._find(user)

    def add(self, key: SshKey, most: int) -> bool:
        """Register a key; no-op if the user has it. Return False if that would be too many.

        Keys of the user from before another password do not count, and go.

        Args:
            key: the key.
            most: how many one user may have.
        """
        with self._sessions.write() as session:
            is_stale = (SshKeyRow.user == key.user, SshKeyRow.mark != key.mark)
            session.execute(delete(SshKeyRow).where(*is_stale))
            of_user = select(SshKeyRow.fingerprint).where(SshKeyRow.user == key.user)
            if key.fingerprint in session.scalars(of_user):
                return True
            if (session.scalar(select(func.count()).select_from(of_user.subquery())) or 0) >= most:
                return False
            session.add(SshKeyRow(**vars(key)))
            return True

    def remove(self, user: str, fingerprint: str) -> bool:
        """Forget a key; return whether it was there."""
        with self._sessions.write() as session:
            gone = delete(SshKeyRow).where(*_is(user, fingerprint)).returning(SshKeyRow.id)
            return session.scalar(gone) is not None

    def note_use(self, user: str, fingerprint: str, at: float) -> None:
        """Remember that somebody logged in by this key; no-op if it is gone."""
        with self._sessions.write() as session:
            session.execute(update(SshKeyRow).where(*_is(user, fingerprint)).values(used=at))

    def _find(self, user: str = "") -> list[SshKey]:
        query = select(SshKeyRow).order_by(SshKeyRow.user, SshKeyRow.added, SshKeyRow.id)
        if user:
            query = query.where(SshKeyRow.user == user)
        with self._sessions.read() as session:
            return [
                SshKey(row.user, row.fingerprint, row.line, row.added, row.used, row.mark)
                for row in session.scalars(query)
            ]


def _is(user: str, fingerprint: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SshKeyRow.user == user, SshKeyRow.fingerprint == fingerprint
