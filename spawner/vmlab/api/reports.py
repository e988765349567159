"""What machines report: receipts and progress. All of it is untrusted."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tornado import web

from vmlab.api.base import MachineHandler
from vmlab.courses.folder import path_problem
from vmlab.courses.parse import FOLDER_PATTERN, NAME_PATTERN
from vmlab.database import Receipt, StepReport

MAX_KEPT = 500
"""Files that a receipt may name."""


class ReceiptHandler(MachineHandler):
    """`POST receipts`: this machine has this version."""

    async def post(self) -> None:
        """Remember what the machine has."""
        server = self.server_identity()
        self.count_report(server)
        body = self.json_body()
        name = _field(body, "course", NAME_PATTERN)
        version = body.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise web.HTTPError(400, "version must be a whole number")
        kept = _kept(body.get("kept"))
        courses = self.runtime.database.courses
        # SQLite's integers have 64 bits; a longer one is no version of anything.
        in_range = 0 < version < 2**31
        if not in_range or await asyncio.to_thread(courses.find, name, version) is None:
            raise web.HTTPError(400, f"course {name!r} has no version {version}")
        receipt = Receipt(server.user, server.server, name, version, self.runtime.clock(), kept)
        await asyncio.to_thread(courses.add_receipt, receipt)
        self.write({"course": name, "version": version})


class ProgressHandler(MachineHandler):
    """`POST progress`: a check ran."""

    async def post(self) -> None:
        """Count the attempt."""
        server = self.server_identity()
        self.count_report(server)
        body = self.json_body()
        name = _field(body, "course", NAME_PATTERN)
        exercise = _field(body, "exercise", FOLDER_PATTERN)
        step = _field(body, "step", NAME_PATTERN)
        passed = body.get("passed")
        if not isinstance(passed, bool):
            raise web.HTTPError(400, "passed must be true or false")
        course = await asyncio.to_thread(self.runtime.database.courses.find, name)
        if course is None or f"{exercise}/{step}" not in {s.key for s in course.steps}:
            raise web.HTTPError(400, f"course {name!r} has no step {exercise}/{step}")
        report = StepReport(
            user=server.user,
            server=server.server,
            course=name,
            exercise=exercise,
            step=step,
            passed=passed,
            at=self.runtime.clock(),
        )
        await asyncio.to_thread(self.runtime.database.progress.record, report)
        self.write({"course": name, "exercise": exercise, "step": step, "passed": passed})


def _field(body: dict[str, Any], key: str, pattern: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise web.HTTPError(400, f"{key} must be a text that matches {pattern}")
    return value


def _kept(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_KEPT:
        raise web.HTTPError(400, f"kept must be a list of at most {MAX_KEPT} paths")
    for path in value:
        if not isinstance(path, str) or path_problem(path):
            raise web.HTTPError(400, "kept must hold relative paths of files")
    return tuple(value)
