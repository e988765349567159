"""Who chose which language."""

from __future__ import annotations

from sqlalchemy import select

from vmlab.database.engine import Sessions
from vmlab.database.tables import LanguageRow


class Languages:
    """The accounts' languages."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def all(self) -> dict[str, str]:
        """Return the language of everybody who chose one."""
        with self._sessions.read() as session:
            rows = session.execute(select(LanguageRow.user, LanguageRow.language)).all()
        return {row.user: row.language for row in rows}

    def choose(self, user: str, language: str) -> None:
        """Remember what this user chose, in place of what was chosen before."""
        with self._sessions.write() as session:
            session.merge(LanguageRow(user=user, language=language))
