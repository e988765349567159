"""`language`: what an account is spoken to in; a machine that runs is told at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tornado import web

from vmlab.errors import HostError
from vmlab.hub.kept_state import kept_machine
from vmlab.model import MachineState
from vmlab.people.account_language import AccountLanguages, open_languages
from vmlab.providers.base import SpeaksLanguages
from vmlab.system.background import apart
from vmlab.web.api.base import LabHandler, TooManyReportsError
from vmlab.web.api.bodies import parse_language
from vmlab_protocol.notices import Language


class LanguageHandler(LabHandler):
    """The language of the account that calls, from a page of the hub or from its machine."""

    def authorize(self) -> None:
        """Let people in for themselves, and their machines for their owners.

        A token that a visited machine got at its visitor's log-in holds neither.
        """
        if getattr(self.current_user, "kind", "") != "user":
            raise web.HTTPError(403, "Missing or invalid credentials.")
        if self.find_server_identity() is None:
            self.require_scope("delete:servers")

    async def get(self) -> None:
        """Tell the language; `is_chosen` is false while it is the lab's default."""
        chosen = self._languages.of(self.current_user.name)
        language = chosen or Language(self.lab_settings.language)
        self.write({"language": language, "is_chosen": chosen is not None})

    async def post(self) -> None:
        """Remember it, and answer when the machine that runs knows it, too."""
        user = self.current_user
        wait_s = self.runtime.reports.retry_after_s(("language", user.name))
        if wait_s:
            raise TooManyReportsError(wait_s)
        language = self.checked_body(parse_language)
        try:
            await self._languages.choose(user.name, language)
        except HostError as error:
            self.log.error("%s", error)
            raise web.HTTPError(503, error.message) from error
        await self._tell_machines(user, language)
        self.write({"language": language, "is_chosen": True})

    @property
    def _languages(self) -> AccountLanguages:
        return open_languages(self.lab_settings.database or self.lab_settings.paths.database)

    async def _tell_machines(self, user: Any, language: Language) -> None:
        provider = self.runtime.provider
        if not isinstance(provider, SpeaksLanguages):
            return
        for name in self._own_machines(user):
            with apart(f"{name}: it speaks {language} from its next start on only"):
                # One that is being started is told at the end of its start (`OwnMachines`).
                if (await provider.status([name]))[name].state is MachineState.RUNNING:
                    await provider.set_language(name, language)

    def _own_machines(self, user: Any) -> Iterator[str]:
        """Yield the machines of all of the user's servers: nodes belong to the default one."""
        for server in user.orm_spawners:
            desk = kept_machine(user, user.name, server)
            yield from (desk,) if server else self.runtime.rules.own_machines(desk)
