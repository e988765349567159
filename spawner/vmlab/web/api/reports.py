"""What machines report: receipts and progress. All of it is untrusted."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from tornado import web

from vmlab.database import Receipt, StepReport
from vmlab.web.api.base import MachineHandler
from vmlab.web.api.bodies import parse_progress, parse_receipt


class ReceiptHandler(MachineHandler):
    """`POST receipts`: this machine has this version."""

    async def post(self) -> None:
        """Remember what the machine has."""
        server = self.server_identity()
        self.count_report(server)
        said = self.checked_body(parse_receipt)
        courses = self.runtime.database.courses
        if await asyncio.to_thread(courses.find, said.course, said.version) is None:
            raise web.HTTPError(400, f"course {said.course!r} has no version {said.version}")
        now = self.runtime.clock()
        receipt = Receipt(server.user, server.server, at=now, **vars(said))
        await asyncio.to_thread(courses.add_receipt, receipt)
        self.write({"course": said.course, "version": said.version})


class ProgressHandler(MachineHandler):
    """`POST progress`: a check ran."""

    async def post(self) -> None:
        """Count the attempt."""
        server = self.server_identity()
        self.count_report(server)
        said = self.checked_body(parse_progress)
        course = await asyncio.to_thread(self.runtime.database.courses.find, said.course)
        if course is None or f"{said.exercise}/{said.step}" not in {s.key for s in course.steps}:
            raise web.HTTPError(
                400, f"course {said.course!r} has no step {said.exercise}/{said.step}"
            )
        now = self.runtime.clock()
        report = StepReport(user=server.user, server=server.server, at=now, **asdict(said))
        await asyncio.to_thread(self.runtime.database.progress.record, report)
        self.write(asdict(said))
