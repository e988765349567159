"""VMLab's own database: courses, receipts, progress, durations of phases, volumes, languages.

Users, servers and tokens belong to the hub's database, machines to their provider. All calls
block: the hub's handlers make them with `asyncio.to_thread`, for which they are safe.

    database = open_database(paths.database)
    database.record_start("engine/desk", {"boot": 12.5})
    database.phase_medians("engine/desk")  # {"boot": 12.5}

    engine      connections, transactions
    schema      which schema a database has; makes or upgrades it
    migrations  the steps from one schema to the next, for alembic
    tables      the tables as typed classes
    courses     published courses, and receipts of the machines that took them
    obstacles   why a file of a course is not in its place
    progress    how far each trainee is
    phases      how long the phases of earlier starts took
    volumes     who owns a volume, and which machine has it
    languages   who chose which language
    numbers     the number of each trainee in their event
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from vmlab.database.courses import Courses, Receipt, StoredCourse, StoredStep
from vmlab.database.engine import Sessions, open_engine, sqlite_url
from vmlab.database.languages import Languages
from vmlab.database.numbers import Numbers
from vmlab.database.phases import Phases
from vmlab.database.progress import CourseStep, Progress, StepReport, StepResult
from vmlab.database.volumes import Volumes

__all__ = [
    "CourseStep",
    "Courses",
    "Database",
    "Languages",
    "Numbers",
    "Phases",
    "Progress",
    "Receipt",
    "StepReport",
    "StepResult",
    "StoredCourse",
    "StoredStep",
    "Volumes",
    "open_database",
]


class Database:
    """One open database."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        sessions = Sessions(self._engine)
        self.courses = Courses(sessions)
        self.progress = Progress(sessions)
        self.phases = Phases(sessions)
        self.volumes = Volumes(sessions)
        self.languages = Languages(sessions)
        self.numbers = Numbers(sessions)

    def record_start(self, key: str, durations_s: Mapping[str, float]) -> None:
        """Remember how long the phases of a start took; see `Phases.record`."""
        self.phases.record(key, durations_s)

    def phase_medians(self, key: str) -> dict[str, float]:
        """Return the median seconds of each phase over the last 20 starts; see `Phases`."""
        return self.phases.medians(key)

    def close(self) -> None:
        """Close all connections. The object is of no use afterwards."""
        self._engine.dispose()


_open: dict[str, Database] = {}
_open_lock = threading.Lock()


def open_database(where: Path | str) -> Database:
    """Return the database at this path or URL; one object a process.

    Args:
        where: a path for SQLite (its folder must exist), or any URL that SQLAlchemy knows.

    Raises:
        HostError: it cannot be opened, or was written by a newer VMLab.
    """
    url = sqlite_url(where.absolute()) if isinstance(where, Path) else where
    with _open_lock:
        if url not in _open:
            _open[url] = Database(url)
        return _open[url]
