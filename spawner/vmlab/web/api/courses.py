"""Courses over HTTP: machines take them, trainers publish them."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from vmlab.database import Receipt
from vmlab.errors import ConfigError, CourseError
from vmlab.web.api.base import COURSES_SCOPE, LabHandler, MachineHandler
from vmlab.web.api.sending import GivesUp, send_file
from vmlab_protocol.archive import MAX_ARCHIVE_BYTES
from vmlab_protocol.courses import MAX_WAIT_S


class CoursesHandler(GivesUp, MachineHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """`GET courses`: what is published; waits for news if asked to."""

    def authorize(self) -> None:
        """Let servers in, and trainers."""
        if COURSES_SCOPE not in self.parsed_scopes:
            self.server_identity()

    async def get(self) -> None:
        """Answer at once, or when the digest is no longer `known`, after at most `wait` seconds."""
        wait_s = self._wait_s()
        known = self.get_query_argument("known", "")
        store = self.runtime.course_store
        server = self.find_server_identity()
        if not wait_s or not known or server is None:
            self.write((await asyncio.to_thread(store.listing)).as_json())
            return
        with self.runtime.waiting(server):
            listing = await self.unless_gone(
                self.runtime.course_store.wait_for_change(known, wait_s)
            )
        if listing:
            self.write(listing.as_json())

    def _wait_s(self) -> float:
        raw = self.get_query_argument("wait", "0")
        try:
            wait_s = float(raw)
        except ValueError:
            wait_s = math.nan
        if not 0 <= wait_s < math.inf:
            raise web.HTTPError(400, "wait must be a number of seconds")
        return min(wait_s, MAX_WAIT_S)


class ArchiveHandler(MachineHandler):
    """`GET courses/NAME/VERSION`: the archive."""

    async def get(self, name: str, version: str) -> None:
        """Send the archive of a published version."""
        with self.runtime.waiting(self.server_identity()):
            course = await asyncio.to_thread(self.runtime.course_store.find, name, int(version))
            if course is None:
                raise web.HTTPError(404, f"course {name!r} has no version {version}")
            self.set_header("Content-Type", "application/gzip")
            try:
                await send_file(
                    self, self.runtime.course_store.archive_path(course.name, course.version)
                )
            except StreamClosedError as e:
                self.log.info("sending an archive of %s was cut off: %r", name, e)
            except OSError as e:
                self.log.error("The archive of a published course cannot be read: %s", e)
                raise web.HTTPError(500, "the archive is missing on the hub") from e


class CourseHandler(LabHandler):
    """`POST courses/NAME`: publish an archive. `DELETE courses/NAME`: take the course back."""

    max_body_bytes = MAX_ARCHIVE_BYTES
    body_limit_s = 300.0  # 2 Mbit/s; the proxy waits as long
    is_patient = True

    def authorize(self) -> None:
        """Let trainers in."""
        self.require_scope(COURSES_SCOPE)

    async def post(self, name: str) -> None:
        """Check the archive, make it the newest version and wake all machines."""
        store = self.runtime.course_store
        try:
            published = await asyncio.to_thread(store.publish, self.body(), name)
        except (CourseError, ConfigError) as e:
            raise self.refuse(e) from e
        course = published.course
        if not published.unchanged:
            store.announce()
            self.log.info(
                "%s published course %s version %d", self.current_user.name, name, course.version
            )
        self.write(
            {
                "name": course.name,
                "version": course.version,
                "digest": course.digest,
                "unchanged": published.unchanged,
            }
        )

    async def delete(self, name: str) -> None:
        """Withdraw the course, also from every machine."""
        self.body()
        progress = self.get_query_argument("progress", "keep")
        if progress not in {"keep", "drop"}:
            raise web.HTTPError(400, "progress must be keep or drop")
        store = self.runtime.course_store
        course = await asyncio.to_thread(store.remove, name, drop_progress=progress == "drop")
        if course is None:
            raise web.HTTPError(404, f"there is no course {name!r}")
        store.announce()
        self.log.info(
            "%s took course %s back (progress: %s)", self.current_user.name, name, progress
        )
        self.write({"name": course.name, "version": course.version, "progress": progress})


class ReceiptsHandler(LabHandler):
    """`GET courses/NAME/receipts`: who has which version."""

    def authorize(self) -> None:
        """Let trainers in."""
        self.require_scope(COURSES_SCOPE)

    async def get(self, name: str) -> None:
        """Send each machine's newest receipt."""
        courses = self.runtime.database.courses
        newest = await asyncio.to_thread(courses.find, name)
        if newest is None:
            raise web.HTTPError(404, f"there is no course {name!r}")
        receipts = await asyncio.to_thread(courses.receipts, name)
        self.write(
            {
                "version": newest.version,
                "removed": newest.is_removed,
                "receipts": [_receipt(r) for r in receipts],
            }
        )


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {key: value for key, value in asdict(receipt).items() if key != "course"}
