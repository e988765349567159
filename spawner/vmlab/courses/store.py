"""The courses that the hub has published: publishing, listing, archives, notifying those who wait.

Blocking calls (`publish`, `listing`) are made with `asyncio.to_thread`; `wait_for_change` and
`announce` belong to the hub's event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab.courses.archive import pack_course, unpack_course
from vmlab.courses.model import Course
from vmlab.courses.parse import parse_course
from vmlab.database import Database, StoredCourse, StoredStep
from vmlab.errors import CourseError
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.courses import MAX_COURSES, CourseVersion, dump_course, dump_listing


@dataclass(frozen=True)
class Listing:
    """The newest version of every course, as machines see it, and what was withdrawn."""

    digest: str  # changes whenever anything in it changes
    courses: tuple[StoredCourse, ...]
    removed: tuple[StoredCourse, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the answer of `GET courses`."""
        courses = [_summary(course) for course in self.courses]
        return dump_listing(self.digest, courses, [_version(course) for course in self.removed])


@dataclass(frozen=True)
class Published:
    """What became of a push."""

    course: StoredCourse
    unchanged: bool


class CourseStore:
    """Published courses: facts in the database, archives in a folder."""

    def __init__(
        self, database: Database, folder: Path, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._waiters: set[asyncio.Future[None]] = set()

    def publish(self, data: bytes, name: str) -> Published:
        """Check an archive and make it the newest version of its course.

        The content decides, not the archive's bytes: it is repacked, so solutions that a
        client left in never reach a trainee.

        Args:
            data: a .tar.gz from outside.
            name: the course that the sender says it is.

        Raises:
            CourseError: the archive cannot be used, or is another course.
            ConfigError: the course has a mistake; names file and line.
        """
        files = unpack_course(data)
        course = parse_course(files, name)
        if course.name != name:
            raise CourseError(
                f"the archive is course {course.name!r}, not {name!r}",
                hint="the name in course.toml is the one that counts",
            )
        others = [c.name for c in self.listing().courses if c.name != name]
        if len(others) >= MAX_COURSES:
            raise CourseError(
                f"{len(others)} courses are published, the most that a machine accepts",
                hint=f"withdraw one first: vmlab course remove {others[0]}",
            )
        archive = pack_course(files)

        def save(version: int) -> None:
            path = self.archive_path(name, version)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(path, archive.data)

        def make(version: int) -> StoredCourse:
            return stored_course(course, version, archive.digest, self._clock())

        try:
            stored, unchanged = self._database.courses.add_version(make, name, archive.digest, save)
        except OSError as e:
            raise CourseError(
                f"course {name!r} could not be stored in {self._folder}: {e.strerror or e}",
                hint="check that the disk has room",
            ) from e
        return Published(stored, unchanged)

    def remove(self, name: str, *, drop_progress: bool) -> StoredCourse | None:
        """Withdraw a course: it is no longer listed, and its archives are gone.

        Publishing it again restores it. Returns None if there is no such course.
        """
        course = self._database.courses.remove(name, self._clock(), drop_progress=drop_progress)
        if course:
            # A push right now writes a later version, which stays.
            for version in range(1, course.version):
                self.archive_path(name, version).unlink(missing_ok=True)
        return course

    def find(self, name: str, version: int) -> StoredCourse | None:
        """Return a version that machines may fetch; None if the course was withdrawn."""
        newest = self._database.courses.find(name)
        found = self._database.courses.find(name, version)
        if newest is None or newest.is_removed or found is None or found.is_removed:
            return None
        return found

    def archive_path(self, name: str, version: int) -> Path:
        """Return where the archive of a published version is; the name must be checked."""
        return self._folder / name / f"{version}.tar.gz"

    def listing(self) -> Listing:
        """Return the newest version of every course."""
        latest = tuple(self._database.courses.latest())
        summary = json.dumps([_summary(c) for c in latest], sort_keys=True).encode()
        return Listing(
            hashlib.sha256(summary).hexdigest(),
            tuple(c for c in latest if not c.is_removed),
            tuple(c for c in latest if c.is_removed),
        )

    def announce(self) -> None:
        """Wake everybody who waits for a change."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for_change(self, known: str, wait_s: float) -> Listing:
        """Return the listing as soon as its digest is not `known`, at the latest after `wait_s`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            # Waiting begins before reading: a push in between is not missed.
            waiter = loop.create_future()
            self._waiters.add(waiter)
            try:
                listing = await asyncio.to_thread(self.listing)
                remaining = deadline - loop.time()
                if listing.digest != known or remaining <= 0:
                    return listing
                await asyncio.wait([waiter], timeout=remaining)
            finally:
                self._waiters.discard(waiter)


def stored_course(course: Course, version: int, digest: str, now: float) -> StoredCourse:
    """Return what the database keeps of a version of a course."""
    steps = tuple(
        StoredStep(
            exercise=exercise.folder,
            exercise_en=exercise.title.en,
            exercise_fr=exercise.title.fr,
            step=step.name,
            title_en=step.title.en,
            title_fr=step.title.fr,
        )
        for exercise in course.exercises
        for step in exercise.steps
    )
    return StoredCourse(
        name=course.name,
        version=version,
        digest=digest,
        title_en=course.title.en,
        title_fr=course.title.fr,
        steps=steps,
        published=now,
    )


def _version(course: StoredCourse) -> CourseVersion:
    return CourseVersion(course.name, course.version, course.digest)


def _summary(course: StoredCourse) -> dict[str, Any]:
    return dump_course(_version(course), {"en": course.title_en, "fr": course.title_fr})
