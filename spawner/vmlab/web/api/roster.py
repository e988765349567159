"""`GET people` and `GET people/work`: who has which machine, and who is working in one."""

from __future__ import annotations

from functools import partial

from tornado import web

from vmlab.model import MachineState
from vmlab.web.api.board import BoardReader
from vmlab.web.board import Rights, make_roster


class RosterHandler(BoardReader):
    """The list of people: all whom the reader may see, staff as well."""

    async def get(self) -> None:
        """Send a row for each server."""
        rights = Rights(
            start=partial(self.may, "start:servers"),
            stop=partial(self.may, "delete:servers"),
            open=partial(self.may, "access:servers"),
        )
        statuses = await self.machine_statuses()
        rows = make_roster(statuses, self.visible_people(), rights)
        self.write({"now": self.runtime.clock(), "people": rows})


class WorkHandler(BoardReader):
    """How long nobody has worked in the machines that run, by their agents' word."""

    async def get(self) -> None:
        """Send the seconds for each machine that answers; of one user or of all."""
        user = self.get_query_argument("user", "")
        statuses = await self.machine_statuses()
        if statuses is None:
            raise web.HTTPError(503, "the provider of machines cannot be asked")
        people = [p for p in self.visible_people() if user in {"", p.name}]
        names = {seat.machine for person in people for seat in person.seats}
        running = [n for n, s in statuses.items() if n in names and s.state is MachineState.RUNNING]
        activity = await self.runtime.activity(running)
        self.write({"idle_s": {name: found.idle_s for name, found in activity.items()}})
