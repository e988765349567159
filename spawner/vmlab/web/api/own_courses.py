"""`GET own/courses`: the courses, and how far whoever asks is; for machines and for people."""

from __future__ import annotations

import asyncio

from tornado import web

from vmlab.web.api.base import MachineHandler
from vmlab.web.api.identity import ServerIdentity
from vmlab.web.board import make_outline


class OwnCoursesHandler(MachineHandler):
    """The courses with the caller's own progress, and nobody else's."""

    _accept_cookie_auth = True  # the home page asks, too

    def authorize(self) -> None:
        """Let machines in, and people who may stop their own server, which all trainees may."""
        if getattr(self.current_user, "kind", "") != "user":
            raise web.HTTPError(403, "Missing or invalid credentials.")
        if self.find_server_identity() is None:
            self.require_scope("delete:servers")

    async def get(self) -> None:
        """Send them."""
        whose = self.find_server_identity() or ServerIdentity(self.current_user.name, "")
        listing = await asyncio.to_thread(self.runtime.course_store.listing)
        results = {}
        for course in listing.courses:
            facts = await self.runtime.course_facts(course.name)
            results[course.name] = tuple(
                r for r in facts.results if (r.user, r.server) == (whose.user, whose.server)
            )
        self.write(make_outline(listing.courses, results))
