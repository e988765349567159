"""The state of the hub's jobs, for other processes: STATE/jobs.json (docs/protocols.md, 5).

A file, because it is still there when the hub has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from vmlab.errors import HostError
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

VERSION = 1


@dataclass(frozen=True)
class JobState:
    """The state of one job. Times are seconds since the epoch; 0: never."""

    name: str
    due_by: (
        float  # when its round should have ended at the latest; 0: it may take as long as it likes
    )
    next_round: float = 0.0  # when the next one begins
    last_success: float = 0.0
    last_failure: float = 0.0
    failures: int = 0  # in a row
    error: str = ""  # of the last failure, in one line
    passed_over: int = 0  # how many machines, volumes or the like the last round had to pass over
    passed_over_why: str = ""  # the first of them

    def health(self, now: float) -> JobHealth:
        """Return its health at this time."""
        if self.due_by and now > self.due_by:
            return JobHealth.SILENT
        if self.failures:
            return JobHealth.FAILS
        return JobHealth.PASSES_OVER if self.passed_over else JobHealth.IN_ORDER


class JobHealth(StrEnum):
    """Whether a job is in order."""

    IN_ORDER = "in order"
    PASSES_OVER = "passes over"  # it does its work, but not for all
    FAILS = "fails"
    SILENT = "silent"  # a round hangs, or its hub does


@dataclass(frozen=True)
class JobsReport:
    """What a hub wrote of its jobs."""

    pid: int  # the hub's
    jobs: tuple[JobState, ...]


def jobs_path(state: Path) -> Path:
    """Return the file."""
    return state / "jobs.json"


def write_jobs(state: Path, pid: int, jobs: Iterable[JobState]) -> None:
    """Replace the report as one step.

    Raises:
        OSError: the disk is full or the like; the old report stays.
    """
    table = {"version": VERSION, "pid": pid, "jobs": [asdict(job) for job in jobs]}
    write_atomic(jobs_path(state), json.dumps(table).encode())


def read_jobs(state: Path) -> JobsReport | None:
    """Return what the last hub of this state folder wrote, or None if it has written nothing.

    Raises:
        HostError: the file cannot be read.
    """
    path = jobs_path(state)
    try:
        table = load_json(path.read_bytes())
        if table["version"] != VERSION:
            raise ValueError(f"version {table['version']} instead of {VERSION}")
        jobs = tuple(as_facts(JobState, job) for job in table["jobs"])
        return JobsReport(int(table["pid"]), jobs)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} cannot be read: {error}", hint="a running hub rewrites it within a minute"
        ) from error
