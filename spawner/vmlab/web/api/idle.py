"""`idle`: the break during which no machine is stopped because nobody works in it."""

from __future__ import annotations

import asyncio
import time

from tornado import web

from vmlab.errors import LabError
from vmlab.upkeep.idle.break_file import declare_break, read_break
from vmlab.web.api.base import BOARD_SCOPE, LabHandler
from vmlab.web.api.bodies import parse_break


class IdleHandler(LabHandler):
    """The break of this lab."""

    def authorize(self) -> None:
        """Let those read it who see the board, and those declare it who may stop machines too."""
        self.require_scope(BOARD_SCOPE)
        if self.request.method != "GET":
            self.require_scope("delete:servers")

    async def get(self) -> None:
        """Tell when the last break ends, and whether it lasts."""
        await self._answer()

    async def post(self) -> None:
        """Declare a break, or end it with a time that has passed."""
        until = self.checked_body(parse_break)
        try:
            await asyncio.to_thread(
                declare_break, self.lab_settings.paths.state, until or time.time()
            )
        except LabError as error:
            raise self.refuse(error) from error
        self.log.warning("No idle machine is stopped until %s", until)
        await self._answer()

    async def _answer(self) -> None:
        try:
            found = await asyncio.to_thread(read_break, self.lab_settings.paths.state)
        except LabError as error:
            raise web.HTTPError(500, error.message) from error
        now = time.time()
        self.write({"until": found.until, "is_break": found.is_on(now)})
