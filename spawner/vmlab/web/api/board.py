"""`GET board`: what the board shows, limited to what the reader may see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tornado import web

from vmlab.database import StoredCourse
from vmlab.errors import LabError
from vmlab.groups.listing import GroupMachine
from vmlab.model import NetworkStatus
from vmlab.providers.base import KeepsNetworks
from vmlab.web.api.base import BOARD_SCOPE, LabHandler
from vmlab.web.api.whose import MACHINE_SCOPES
from vmlab.web.board import BoardFacts, Person, Seat, list_people, make_board


@dataclass(frozen=True)
class _Server:
    """A server as `jupyterhub.scopes.check_scope_filter` looks at it."""

    name: str
    user: Person


class BoardReader(LabHandler):
    """What is common to the board and the list of people: who may look, and at whom."""

    def authorize(self) -> None:
        """Let those in who may open the admin page."""
        self.require_scope(BOARD_SCOPE)

    def visible_people(self) -> list[Person]:
        """Return the hub's users whom the reader may see, with those servers they may see."""
        people = self.runtime.people(lambda: list_people(self.db, self.users))
        may_read = self.get_scope_filter("read:servers")
        visible = []
        for person in people:
            if may_read(person, kind="user"):
                visible.append(person)
                continue
            seats = tuple(seat for seat in person.seats if self.may("read:servers", person, seat))
            if seats:
                visible.append(replace(person, seats=seats))
        return visible

    def may(self, scope: str, person: Person, seat: Seat) -> bool:
        """Tell whether the reader holds a scope on somebody's server."""
        return bool(self.get_scope_filter(scope)(_Server(seat.name, person), kind="server"))


class BoardHandler(BoardReader):
    """The board's data."""

    async def get(self) -> None:
        """Send the rows of all users whom the reader may see."""
        wanted = self.get_query_argument("course", "")
        listing = await asyncio.to_thread(self.runtime.course_store.listing)
        course = _choose(listing.courses, wanted)
        if wanted and course is None:
            raise web.HTTPError(404, f"there is no course {wanted[:40]!r}")
        known = await self.runtime.course_facts(course.name) if course else None
        people = self.visible_people()
        groups, networks = await self._groups(people), await self._networks()
        facts = BoardFacts(
            now=self.runtime.clock(),
            course=course,
            courses=listing.courses,
            results=known.results if known else (),
            receipts=known.receipts if known else (),
            statuses=await self.machine_statuses(),
            done=await self.runtime.done_steps.get(),
            groups=groups,
            networks=networks or (),
            network=self._expected_network() if networks is not None else "",
        )
        self.write(make_board(facts, people, self._may_open, self._may_renew))

    async def _groups(self, people: list[Person]) -> Mapping[str, tuple[GroupMachine, ...]]:
        """Ask for machines beside the desks; a board without them is better than none."""
        if not self.runtime.rules.is_several:
            return {}
        desks = {p.name: seat.machine for p in people for seat in p.seats if not seat.name}
        try:
            return await self.runtime.groups(desks)
        except LabError as e:
            self.log.error("The machines of groups are not known: %s", e)
            return {}

    def _expected_network(self) -> str:
        network = self.runtime.rules.network
        return network.name if network and isinstance(self.runtime.provider, KeepsNetworks) else ""

    async def _networks(self) -> tuple[NetworkStatus, ...] | None:
        """Return what there is; None: the provider could not be asked."""
        try:
            return await self.runtime.networks.get()
        except LabError as e:
            self.log.error("The provider could not be asked for networks: %s", e)
            return None

    def _may_open(self, person: Person, seat: Seat) -> bool:
        return self.may("access:servers", person, seat)

    def _may_renew(self, person: Person, seat: Seat) -> bool:
        # A row of the default server only: that is what `machines/USER/renew` replaces.
        return not seat.name and all(self.may(scope, person, seat) for scope in MACHINE_SCOPES)


def _choose(courses: tuple[StoredCourse, ...], wanted: str) -> StoredCourse | None:
    """Return the course that was asked for, or the one published last."""
    if wanted:
        return next((c for c in courses if c.name == wanted), None)
    return max(courses, key=lambda c: c.published, default=None)
