"""What `vmlab status` and `vmlab doctor` say of the hub's jobs. Pure: a report in, lines out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vmlab.cli.common import duration
from vmlab.providers.facts import Finding, Level
from vmlab.system.job_states import JobHealth, JobsReport, JobState

_SIGNS = {JobHealth.PASSES_OVER: "!", JobHealth.FAILS: "✗", JobHealth.SILENT: "✗"}
_ADVICE = "see hub.log in the state folder; `vmlab down`, then `vmlab up` restarts all jobs"


def job_lines(report: JobsReport | None, now: float, hub_pid: int) -> list[str]:
    """Return one line on all jobs, and one on each that is not in order.

    Args:
        report: what the last hub wrote.
        now: seconds since the epoch.
        hub_pid: of the hub that runs; 0: none does.
    """
    if report is None or (hub_pid and report.pid != hub_pid):
        return ["jobs: the hub has not started them"] if hub_pid else []
    odd = [job for job in report.jobs if _health(job, now, hub_pid) is not JobHealth.IN_ORDER]
    count = f"{len(report.jobs) - len(odd)} of {len(report.jobs)} in order"
    first = (
        f"jobs: {count}" if hub_pid else f"jobs: none runs without the hub; when it ended, {count}"
    )
    return [first, *(f"  {_line(job, now, hub_pid)}" for job in odd)]


def jobs_json(report: JobsReport | None, now: float, hub_pid: int) -> list[dict[str, Any]]:
    """Return the same as data."""
    jobs = report.jobs if report else ()
    return [{**asdict(job), "health": _health(job, now, hub_pid).value} for job in jobs]


def jobs_finding(report: JobsReport | None, now: float, hub_pid: int) -> Finding:
    """Return the doctor's line on the jobs of a hub that runs."""
    lines = job_lines(report, now, hub_pid)
    found = "\n".join(line.strip() for line in lines).removeprefix("jobs: ")
    if len(lines) == 1 and report is not None:
        return Finding("jobs", Level.OK, found)
    return Finding("jobs", Level.WARN, found, _ADVICE)


def _health(job: JobState, now: float, hub_pid: int) -> JobHealth:
    """Return its health, or its health when the hub ended; no job is overdue then."""
    return job.health(now if hub_pid else 0.0)


def _line(job: JobState, now: float, hub_pid: int) -> str:
    health = _health(job, now, hub_pid)
    return f"{_SIGNS[health]} {job.name}: {_words(job, health, now)}"


def _words(job: JobState, health: JobHealth, now: float) -> str:
    if health is JobHealth.PASSES_OVER:
        others = f", one of {job.passed_over}" if job.passed_over > 1 else ""
        return f"works, but not for all: {job.passed_over_why}{others}"
    since = f"last in order {_ago(job.last_success, now)}"
    if health is JobHealth.SILENT:
        late = duration(now - job.due_by)
        return f"its round should have ended {late} ago; {since}"
    times = f"{job.failures} times in a row" if job.failures > 1 else "once"
    again = f"; next try in {duration(job.next_round - now)}" if job.next_round > now else ""
    return f"failed {times}, {_ago(job.last_failure, now)}: {job.error}{again}; {since}"


def _ago(at: float, now: float) -> str:
    return f"{duration(now - at)} ago" if at else "never"
