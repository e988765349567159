"""The language of each account: chosen on a page or in JupyterLab, kept in VMLab's database.

The hub's process is the only writer, so all of it is kept in memory: pages and starts ask often.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import open_database
from vmlab.errors import HostError, LabError
from vmlab_protocol.notices import Language

_log = logging.getLogger(__name__)


class AccountLanguages:
    """Who reads which language. If the database fails, choices are lost, but pages and starts work.

    Args:
        database: path or URL of VMLab's database.
    """

    def __init__(self, database: Path | str) -> None:
        self._database = database
        self._chosen: dict[str, str] | None = None  # None: not read yet

    def of(self, user: str) -> Language | None:
        """Return what this user chose; None who never did."""
        chosen = self._all().get(user)
        return Language(chosen) if chosen in set(Language) else None

    async def choose(self, user: str, language: Language) -> None:
        """Remember what this user chose.

        Raises:
            HostError: the database cannot be written.
        """

        def write() -> None:
            open_database(self._database).languages.choose(user, language)

        try:
            await asyncio.to_thread(write)
        except (LabError, SQLAlchemyError) as error:
            raise HostError(
                f"{user}'s language, {language}, cannot be remembered: {error}",
                hint="check free space and who owns the state folder",
            ) from error
        self._all()[user] = language

    async def adopt(self, user: str, shown: str) -> None:
        """Take over the language in which a user's pages were shown, unless they chose one before.

        What cannot be remembered is logged: it is asked again at the next log-in.
        """
        if shown not in set(Language) or self.of(user) is not None:
            return
        try:
            await self.choose(user, Language(shown))
        except HostError as error:
            _log.warning("%s", error)

    def _all(self) -> dict[str, str]:
        if self._chosen is None:
            try:
                self._chosen = open_database(self._database).languages.all()
            except (LabError, SQLAlchemyError) as error:
                _log.warning("the accounts' languages are not known: %s", error)
                return {}
        return self._chosen


@cache
def open_languages(database: Path | str) -> AccountLanguages:
    """Return the languages in this database; one object a process."""
    return AccountLanguages(database)


def account_language(database: Path | str, user: Any) -> str:
    """Return what JupyterHub's user chose, or nothing: for its templates."""
    return (user and open_languages(database).of(user.name)) or ""
