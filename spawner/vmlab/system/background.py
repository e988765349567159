"""The hub's background jobs: they go on as long as it runs, whatever happens in them.

A job is a round that is made again and again. What it raises is logged, the next round comes later
and later, and the job goes on: neither what a machine says nor a damaged file nor a bug of ours
ends it. Within a round `apart` keeps a failure with one machine from affecting the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from vmlab.errors import LabError
from vmlab.system.job_states import JobState, write_jobs

_LONGEST_PAUSE_S = 600.0
_TOLD_AGAIN_S = 3600.0
_MAX_TOLD = 1000
_MAX_KINDS = 5
_WRITTEN_AGAIN_S = 30.0
"""The report of a job whose rounds are alike is not written more often."""

_LINE_CHARS = 300

_OF_THE_HOST = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
"""Resources that the host can run out of; such an error is not a bug in the code that met it."""

_log = logging.getLogger(__name__)
_passed_over: ContextVar[list[str] | None] = ContextVar("passed_over", default=None)


@dataclass(frozen=True)
class Job:
    """Something that the hub does again and again."""

    name: str
    make_round: Callable[[], Awaitable[object]]
    period_s: float  # from the end of a round to the next one
    retry_s: float = 60.0  # to the next one after a failure; doubled at each further one
    longest_s: float = 1800.0  # of a round; one that takes longer is reported, and goes on


def is_hub() -> bool:
    """Tell whether this is a hub: `jupyterhub` reads its configuration for other commands too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def begin(state: Path, *jobs: Job) -> tuple[asyncio.Task[None], ...]:
    """Do these jobs as long as this process runs; return their tasks.

    No-op unless this is a hub.

    Args:
        state: the folder in which the jobs' report is written.
        jobs: each name once in a process.
    """
    if not is_hub():
        return ()
    return tuple(_board(state).begin(job) for job in jobs)


def pause_s(job: Job, failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    if not failures:
        return job.period_s
    return min(job.retry_s * 2.0 ** min(failures - 1, 20), max(job.period_s, _LONGEST_PAUSE_S))


class Board:
    """The jobs of one hub, and the report on them."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._states: dict[str, JobState] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self._writing = asyncio.Lock()
        self._written: dict[str, float] = {}  # when each job's state was

    def begin(self, job: Job) -> asyncio.Task[None]:
        """Do the job until its task is cancelled."""
        self._states[job.name] = JobState(job.name, self._due_by(job, 0.0))
        task = asyncio.get_running_loop().create_task(self._run(job), name=job.name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, job: Job) -> None:
        passed_over: list[str] = []
        _passed_over.set(passed_over)
        await self._write(job)
        while True:
            passed_over.clear()
            before = self._states[job.name]
            error = await _attempt(job)
            state = self._states[job.name] = self._after(job, before, error, passed_over)
            if before.failures and error is None:
                _log.info("%s: works again after %d failures", job.name, before.failures)
            if (
                _is_news(before, state)
                or abs(self._clock() - self._written[job.name]) >= _WRITTEN_AGAIN_S
            ):
                await self._write(job)
            await asyncio.sleep(pause_s(job, state.failures))

    def _after(
        self, job: Job, before: JobState, error: BaseException | None, passed_over: list[str]
    ) -> JobState:
        now = self._clock()
        failures = 0 if error is None else before.failures + 1
        wait_s = pause_s(job, failures)
        state = replace(
            before,
            due_by=self._due_by(job, wait_s),
            next_round=now + wait_s,
            failures=failures,
            passed_over=len(passed_over),
            passed_over_why=passed_over[0] if passed_over else "",
        )
        if error is None:
            return replace(state, last_success=now)
        return replace(state, last_failure=now, error=_one_line(error))

    def _due_by(self, job: Job, wait_s: float) -> float:
        return 0.0 if math.isinf(job.longest_s) else self._clock() + wait_s + job.longest_s

    async def _write(self, job: Job) -> None:
        self._written[job.name] = self._clock()
        async with self._writing:
            try:
                states = list(self._states.values())
                await asyncio.to_thread(write_jobs, self._state, os.getpid(), states)
            except OSError as error:
                _tell("the report on the hub's jobs (jobs.json) could not be written", error)


def _is_news(before: JobState, after: JobState) -> bool:
    is_first = not before.last_success and bool(after.last_success)
    changed = (before.failures, before.passed_over) != (after.failures, after.passed_over)
    return is_first or changed


@dataclass
class Part:
    """What became of one part of a round."""

    error: Exception | None = None


@contextlib.contextmanager
def apart(what: str) -> Generator[Part]:
    """Isolate a failure with one machine, volume or user: it is only reported.

    Args:
        what: whose turn it is, and what is done: "desk-ada: snapshot".
    """
    part = Part()
    try:
        yield part
    except Exception as error:  # noqa: BLE001 - reported; the others must have their turn
        part.error = error
        _tell(what, error)
        if (passed_over := _passed_over.get()) is not None:
            passed_over.append(f"{what}: {_one_line(error)}"[:_LINE_CHARS])


async def _attempt(job: Job) -> BaseException | None:
    """Make a round; return the error that it failed with."""
    task = asyncio.current_task()
    try:
        await job.make_round()
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise  # the hub ends
        _tell(job.name, error)  # something that the round waited for was cancelled, not the job
        return error
    except Exception as error:  # noqa: BLE001 - reported; the next round may work
        _tell(job.name, error)
        return error
    return None


_told: dict[str, dict[str, float]] = {}  # what failed → which failures, and when


def _tell(what: str, error: BaseException) -> None:
    """Log a failure, the same one once an hour; with traceback unless it was raised on purpose.

    A machine can make its errors differ each time: at most a few per matter and hour are logged.
    """
    now = time.monotonic()
    kind = _one_line(error) if _is_explained(error) else _place(error)
    told = {each: at for each, at in _told.get(what, {}).items() if now - at < _TOLD_AGAIN_S}
    if kind in told or len(told) >= _MAX_KINDS:
        _log.debug("%s: still failing: %s", what, _one_line(error))
        return
    if len(_told) >= _MAX_TOLD:
        _told.clear()
    _told[what] = {**told, kind: now}
    if _is_explained(error):
        _log.warning("%s: %s", what, _one_line(error))
    else:
        _log.error("%s: failed unexpectedly; it will be tried again", what, exc_info=error)


def _is_explained(error: BaseException) -> bool:
    """Tell whether the message says it all."""
    return isinstance(error, LabError) or getattr(error, "errno", None) in _OF_THE_HOST


def _place(error: BaseException) -> str:
    """Return the kind of a failure and the line of code: its words may differ each time."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        line = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {line}"


def _one_line(error: BaseException) -> str:
    try:
        text = error.message if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - making the message of a foreign error may fail itself
        text = type(error).__name__
    return "".join(char if char.isprintable() else " " for char in text[:_LINE_CHARS])


@cache
def _board(state: Path) -> Board:
    return Board(state)
