"""Published versions of courses, and the receipts of the machines that took them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from vmlab.database.engine import Sessions
from vmlab.database.tables import CourseVersionRow, ReceiptRow, StepRow
from vmlab_protocol.receipts import Obstacle, Reason


@dataclass(frozen=True)
class StoredStep:
    """A step of a published course; the exercise is named by its folder."""

    exercise: str
    exercise_en: str
    exercise_fr: str
    step: str
    title_en: str
    title_fr: str

    @property
    def key(self) -> str:
        """The step's name within its course."""
        return f"{self.exercise}/{self.step}"


@dataclass(frozen=True)
class StoredCourse:
    """A published version of a course; without a digest and steps when it was withdrawn."""

    name: str
    version: int
    digest: str
    title_en: str
    title_fr: str
    steps: tuple[StoredStep, ...]
    published: float

    @property
    def is_removed(self) -> bool:
        """Whether this version says that the course was withdrawn."""
        return not self.digest


@dataclass(frozen=True)
class Receipt:
    """A machine took a version of a course.

    Attributes:
        kept: files that the trainee had edited.
        obstacles: files that could not go to their place for another reason.
        refused: why the machine took nothing of it; in `Courses.receipts`, of a version after this.
        refused_version: which version that was, in `Courses.receipts`.
    """

    user: str
    server: str
    course: str
    version: int
    at: float
    kept: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    refused: str = ""
    refused_version: int = 0


class Courses:
    """The versions of all courses."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def latest(self) -> list[StoredCourse]:
        """Return the newest version of every course, by name; of some, that it was withdrawn."""
        newest = (
            select(CourseVersionRow.name, func.max(CourseVersionRow.version).label("version"))
            .group_by(CourseVersionRow.name)
            .subquery()
        )
        with self._sessions.read() as session:
            rows = session.scalars(
                select(CourseVersionRow)
                .join(
                    newest,
                    (CourseVersionRow.name == newest.c.name)
                    & (CourseVersionRow.version == newest.c.version),
                )
                .order_by(CourseVersionRow.name)
            )
            return [_course(row) for row in rows]

    def find(self, name: str, version: int | None = None) -> StoredCourse | None:
        """Return this version, or the newest one; None if there is none."""
        with self._sessions.read() as session:
            row = _find_row(session, name, version)
            return _course(row) if row else None

    def add_version(
        self,
        make: Callable[[int], StoredCourse],
        name: str,
        digest: str,
        save: Callable[[int], None],
    ) -> tuple[StoredCourse, bool]:
        """Add the next version, unless the newest one has the same digest.

        Args:
            make: returns the course for a version number.
            name: the course's name.
            digest: the content's digest.
            save: stores the archive of this version number. It runs before the version becomes
                visible, while no other version can be added, and must be repeatable.

        Returns:
            The newest version, and whether it is unchanged.
        """
        with self._sessions.write() as session:
            row = _find_row(session, name)
            if row and row.digest == digest:
                return _course(row), True
            version = row.version + 1 if row else 1
            save(version)
            course = make(version)
            session.add(_course_row(course))
            return course, False

    def remove(self, name: str, now: float, *, drop_progress: bool) -> StoredCourse | None:
        """Withdraw a course: its next version says so. None if there is none.

        Args:
            drop_progress: forget how far the trainees were, too.
        """
        with self._sessions.write() as session:
            row = _find_row(session, name)
            if row is None:
                return None
            course = _course(row)
            if not course.is_removed:
                course = replace(
                    course, version=row.version + 1, digest="", steps=(), published=now
                )
                session.add(_course_row(course))
            if drop_progress:
                session.execute(delete(StepRow).where(StepRow.course == name))
            return course

    def add_receipt(self, receipt: Receipt) -> None:
        """Remember what a machine has; a second receipt for the same version replaces the first."""
        with self._sessions.write() as session:
            row = session.scalar(
                select(ReceiptRow).where(
                    ReceiptRow.user == receipt.user,
                    ReceiptRow.server == receipt.server,
                    ReceiptRow.course == receipt.course,
                    ReceiptRow.version == receipt.version,
                )
            )
            if row is None:
                row = ReceiptRow(
                    user=receipt.user,
                    server=receipt.server,
                    course=receipt.course,
                    version=receipt.version,
                )
                session.add(row)
            row.at = receipt.at
            row.kept = list(receipt.kept)
            row.obstacles = [asdict(obstacle) for obstacle in receipt.obstacles]
            row.refused = receipt.refused

    def receipts(self, name: str) -> list[Receipt]:
        """Return each machine's newest receipt for this course, by user and server.

        It says if the machine refused later versions; version 0: it never accepted any.
        """
        with self._sessions.read() as session:
            rows = session.scalars(
                select(ReceiptRow).where(ReceiptRow.course == name).order_by(ReceiptRow.version)
            )
            newest: dict[tuple[str, str], Receipt] = {}
            for row in rows:
                key, found = (row.user, row.server), _receipt(row)
                if found.refused:
                    nothing = replace(found, version=0, refused="", kept=(), obstacles=())
                    found = replace(
                        newest.get(key, nothing),
                        refused=found.refused,
                        refused_version=found.version,
                    )
                newest[key] = found
        return [newest[key] for key in sorted(newest)]


def _find_row(session: Session, name: str, version: int | None = None) -> CourseVersionRow | None:
    """Return the row of this version, or of the newest one."""
    query = select(CourseVersionRow).where(CourseVersionRow.name == name)
    if version is not None:
        query = query.where(CourseVersionRow.version == version)
    return session.scalar(query.order_by(CourseVersionRow.version.desc()).limit(1))


def _course(row: CourseVersionRow) -> StoredCourse:
    return StoredCourse(
        name=row.name,
        version=row.version,
        digest=row.digest,
        title_en=row.title_en,
        title_fr=row.title_fr,
        steps=tuple(_step(step) for step in row.steps),
        published=row.published,
    )


def _step(step: Mapping[str, Any]) -> StoredStep:
    return StoredStep(**{field.name: str(step[field.name]) for field in fields(StoredStep)})


def _course_row(course: StoredCourse) -> CourseVersionRow:
    return CourseVersionRow(
        name=course.name,
        version=course.version,
        digest=course.digest,
        title_en=course.title_en,
        title_fr=course.title_fr,
        steps=[asdict(step) for step in course.steps],
        published=course.published,
    )


def _receipt(row: ReceiptRow) -> Receipt:
    return Receipt(
        user=row.user,
        server=row.server,
        course=row.course,
        version=row.version,
        at=row.at,
        kept=tuple(row.kept),
        obstacles=tuple(
            Obstacle(each["path"], Reason(each["reason"]), each["beside"]) for each in row.obstacles
        ),
        refused=row.refused,
    )
