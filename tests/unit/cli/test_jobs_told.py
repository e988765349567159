"""What `vmlab status` and `vmlab doctor` say of the hub's jobs."""

from __future__ import annotations

from dataclasses import replace

from vmlab.cli.jobs import job_lines, jobs_finding, jobs_json
from vmlab.providers.facts import Level
from vmlab.system.job_states import JobsReport, JobState

NOW = 1_000_000.0
GOOD = JobState("volumes", NOW + 1800, NOW + 30, last_success=NOW - 30)
FAILS = replace(
    GOOD, name="idle machines", failures=3, last_failure=NOW - 40, error="full", next_round=NOW + 90
)
SILENT = replace(GOOD, name="reconcile", due_by=NOW - 600, last_success=NOW - 7200)
PARTLY = replace(GOOD, name="old disks", passed_over=2, passed_over_why="desk-a: no")


def lines(*jobs: JobState, pid: int = 7, hub_pid: int = 7) -> list[str]:
    return job_lines(JobsReport(pid, jobs), NOW, hub_pid)


def test_all_in_order_is_one_line():
    assert lines(GOOD, replace(GOOD, name="x")) == ["jobs: 2 of 2 in order"]


def test_each_job_that_is_not_has_a_line():
    assert lines(GOOD, FAILS, SILENT, PARTLY) == [
        "jobs: 1 of 4 in order",
        (
            "  ✗ idle machines: failed 3 times in a row, 40 s ago: full; next try in 1 min; "
            "last in order 30 s ago"
        ),
        "  ✗ reconcile: its round should have ended 10 min ago; last in order 2 h 00 min ago",
        "  ! old disks: works, but not for all: desk-a: no, one of 2",
    ]


def test_a_first_failure_of_a_new_hub():
    (_, line) = lines(replace(FAILS, failures=1, last_success=0.0, next_round=0.0))
    assert line == "  ✗ idle machines: failed once, 40 s ago: full; last in order never"


def test_the_report_of_an_earlier_hub_is_not_this_hubs():
    assert lines(FAILS, hub_pid=8) == ["jobs: the hub has not started them"]
    assert job_lines(None, NOW, 8) == ["jobs: the hub has not started them"]


def test_without_a_hub_nothing_is_silent_and_what_failed_is_still_told():
    told = lines(SILENT, FAILS, hub_pid=0)
    assert told[0] == "jobs: none runs without the hub; when it ended, 1 of 2 in order"
    assert "idle machines: failed 3 times" in told[1]
    assert job_lines(None, NOW, 0) == []


def test_as_data():
    (one,) = jobs_json(JobsReport(7, (FAILS,)), NOW, 7)
    assert (one["name"], one["health"], one["failures"]) == ("idle machines", "fails", 3)
    assert jobs_json(None, NOW, 7) == []


def test_the_doctor_warns_of_what_is_not_in_order():
    assert jobs_finding(JobsReport(7, (GOOD,)), NOW, 7).level is Level.OK
    finding = jobs_finding(JobsReport(7, (GOOD, SILENT)), NOW, 7)
    assert finding.level is Level.WARN
    assert "reconcile" in finding.found
    assert "hub.log" in finding.advice
