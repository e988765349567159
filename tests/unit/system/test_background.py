"""The hub's jobs: whatever a round raises, the job goes on, and others can read how it does."""

from __future__ import annotations

import asyncio
import errno
import logging
import os

import pytest

from vmlab.errors import HostError
from vmlab.system import background
from vmlab.system.background import Board, Job, apart, begin, pause_s
from vmlab.system.job_states import JobHealth, jobs_path, read_jobs

RAISED = {
    "on purpose": HostError("the disk is full"),
    "overflow": OverflowError("int too large to convert to float"),
    "recursion": RecursionError("too deep"),
    "text": UnicodeDecodeError("utf-8", b"x", 0, 1, "no text"),
    "memory": MemoryError(),
    "words that cannot be said": ValueError(10**5000),
    "cancelled inside": asyncio.CancelledError(),
}


@pytest.fixture(autouse=True)
def forget():
    """What was told before in this process is told again."""
    background._told.clear()


class Script:
    """A round that does in turn what it was given: raises it, or calls it."""

    def __init__(self, *steps: object) -> None:
        self._steps = list(steps)
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        if not self._steps:
            self.done.set()
            await asyncio.Event().wait()
        step = self._steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        step()


async def play(state, *steps: object, **more: float) -> None:
    """Run a job through these steps."""
    script = Script(*steps)
    job = Job("care", script, 0.0, **{"retry_s": 0.0, **more})
    task = Board(state).begin(job)
    async with asyncio.timeout(30):
        await script.done.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.attack("jobs.go-on", "a round of a job raises whatever there is")
@pytest.mark.parametrize("error", RAISED.values(), ids=RAISED)
async def test_whatever_a_round_raises_the_next_one_comes(tmp_path, error, tried):
    reached = []
    await play(tmp_path, error, lambda: reached.append(1), error, lambda: reached.append(2))
    assert reached == [1, 2]
    (state,) = read_jobs(tmp_path).jobs
    assert state.failures == 0
    assert state.last_failure <= state.last_success
    assert state.error
    assert state.error.isprintable()
    tried(2)


async def test_a_job_that_fails_is_seen_by_others(tmp_path):
    await play(tmp_path, HostError("the disk\nis full", hint="free some"), HostError("still"))
    report = read_jobs(tmp_path)
    (state,) = report.jobs
    assert (state.name, state.failures, state.error) == ("care", 2, "still")
    assert state.last_success == 0
    assert state.health(state.last_failure) is JobHealth.FAILS
    assert state.health(state.due_by + 1) is JobHealth.SILENT


async def test_the_same_failure_does_not_fill_the_log(tmp_path, caplog):
    def overflow() -> None:
        raise OverflowError("int too large")

    await play(tmp_path, *[overflow] * 50, *[HostError("full")] * 50)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.exc_info is not None for record in told] == [True, False]


async def test_what_the_host_has_run_out_of_is_told_in_one_line(tmp_path, caplog):
    missing = [OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.ENOSPC)]
    await play(tmp_path, *missing, OSError(errno.EIO, "Input/output error"))
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.exc_info is not None for record in told] == [False, False, True]
    assert "Too many open files" in told[0].getMessage()


async def test_failures_that_differ_each_time_do_not_fill_it_either(tmp_path, caplog):
    await play(tmp_path, *[HostError(f"said {n}") for n in range(50)])
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == background._MAX_KINDS


@pytest.mark.attack("jobs.apart", "one of three machines fails in each round")
async def test_what_fails_for_one_keeps_no_other_from_its_turn(tmp_path, caplog):
    served = []

    def serve_all() -> None:
        for name in ("ada", "bob", "eve"):
            with apart(f"{name}: snapshot") as part:
                if name == "ada":
                    float(10**400)
                served.append(name)
            assert (part.error is None) == (name != "ada")

    await play(tmp_path, serve_all, serve_all)
    assert served == ["bob", "eve"] * 2
    (state,) = read_jobs(tmp_path).jobs
    assert (state.failures, state.passed_over) == (0, 1)
    assert state.passed_over_why.startswith("ada: snapshot: OverflowError: int too large")
    assert state.health(state.last_success) is JobHealth.PASSES_OVER
    assert caplog.text.count("OverflowError: int too large") == 1


async def test_what_was_passed_over_is_forgotten_when_it_works_again(tmp_path):
    def fail() -> None:
        with apart("ada"):
            raise KeyError("x")

    await play(tmp_path, fail, lambda: None)
    (state,) = read_jobs(tmp_path).jobs
    assert state.health(state.last_success) is JobHealth.IN_ORDER


async def test_the_first_round_is_told_at_once(tmp_path):
    await play(tmp_path, lambda: None)
    (state,) = read_jobs(tmp_path).jobs
    assert state.last_success > 0
    assert state.health(state.last_success) is JobHealth.IN_ORDER


def test_pauses_grow_up_to_ten_minutes_or_the_period():
    job = Job("x", asyncio.Event().wait, 60.0)
    assert [pause_s(job, n) for n in range(7)] == [60, 60, 120, 240, 480, 600, 600]
    assert pause_s(job, 10**6) == 600
    hourly = Job("x", asyncio.Event().wait, 3600.0)
    assert [pause_s(hourly, n) for n in (0, 1, 9)] == [3600, 60, 3600]


async def test_a_report_that_cannot_be_written_ends_nothing(tmp_path, caplog):
    reached = []
    await play(tmp_path / "gone", lambda: reached.append(1), lambda: reached.append(2))
    assert reached == [1, 2]
    assert "report on the hub's jobs (jobs.json) could not be written" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"version":1,"pid":1,"jobs":[{"name":1}]}']
)
def test_a_damaged_report_is_told(tmp_path, content):
    assert read_jobs(tmp_path) is None
    jobs_path(tmp_path).write_bytes(content)
    with pytest.raises(HostError, match=r"jobs\.json cannot be read"):
        read_jobs(tmp_path)


def test_no_op_without_a_loop(tmp_path):
    assert begin(tmp_path, Job("x", asyncio.Event().wait, 1.0)) == ()
    assert not jobs_path(tmp_path).exists()
