"""How far each trainee is: one row a trainee and step."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from vmlab.database.engine import Sessions
from vmlab.database.tables import StepRow


@dataclass(frozen=True)
class StepReport:
    """A check ran in a machine."""

    user: str
    server: str
    course: str
    exercise: str
    step: str
    passed: bool
    at: float


@dataclass(frozen=True)
class StepResult:
    """What is known of one trainee and one step.

    `attempts` counts until the step was passed for the first time: how often a check is repeated
    afterwards says nothing about how hard the step was.
    """

    user: str
    server: str
    exercise: str
    step: str
    attempts: int
    first_passed: float | None
    last_at: float
    last_passed: bool


@dataclass(frozen=True)
class CourseStep:
    """When one trainee did one step of one course, of all courses: no more than the board needs."""

    user: str
    server: str
    course: str
    key: str  # exercise/step
    first_passed: float | None
    last_at: float


class Progress:
    """The results of all checks."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def record(self, report: StepReport) -> None:
        """Count an attempt and remember the first time that the step was passed."""
        with self._sessions.write() as session:
            row = session.scalar(
                select(StepRow).where(
                    StepRow.user == report.user,
                    StepRow.server == report.server,
                    StepRow.course == report.course,
                    StepRow.exercise == report.exercise,
                    StepRow.step == report.step,
                )
            )
            if row is None:
                row = StepRow(
                    user=report.user,
                    server=report.server,
                    course=report.course,
                    exercise=report.exercise,
                    step=report.step,
                    attempts=0,
                    first_passed=None,
                )
                session.add(row)
            if row.first_passed is None:
                row.attempts += 1
                row.first_passed = report.at if report.passed else None
            row.last_at = report.at
            row.last_passed = report.passed

    def of_course(self, course: str) -> list[StepResult]:
        """Return all results of a course, by user, server, exercise and step."""
        with self._sessions.read() as session:
            rows = session.scalars(
                select(StepRow)
                .where(StepRow.course == course)
                .order_by(StepRow.user, StepRow.server, StepRow.exercise, StepRow.step)
            )
            return [
                StepResult(
                    user=row.user,
                    server=row.server,
                    exercise=row.exercise,
                    step=row.step,
                    attempts=row.attempts,
                    first_passed=row.first_passed,
                    last_at=row.last_at,
                    last_passed=row.last_passed,
                )
                for row in rows
            ]

    def of_all(self) -> list[CourseStep]:
        """Return who did which step of any course, in no order."""
        columns = (StepRow.user, StepRow.server, StepRow.course, StepRow.exercise, StepRow.step)
        with self._sessions.read() as session:
            rows = session.execute(select(*columns, StepRow.first_passed, StepRow.last_at))
            return [
                CourseStep(user, server, course, f"{exercise}/{step}", first_passed, last_at)
                for user, server, course, exercise, step, first_passed, last_at in rows
            ]
