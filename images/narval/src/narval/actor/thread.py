"""The thread in which a plugin lives: orders and blocks, one after the other."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from narval.errors import NarvalError
from narval.links.waiting import AbortedError, Bell, wait_for
from narval.plugins.python import describe, place_of

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Work(Protocol):
    """What is done between orders."""

    def step(self, bell: Bell) -> None:
        """Do a little: one block, or a wait that the bell ends."""


class DataThread:
    """Runs jobs as they come, and between them the steps of `work`, if there is any.

    A step that fails ends the work and is told to `on_failure`, in this thread.

    Attributes:
        work: what is done between jobs; set it from a job.
        abort: rung, it ends every wait of the work at once.
    """

    def __init__(self, on_failure: Callable[[str], None]) -> None:
        self.work: Work | None = None
        self.abort = Bell()
        self._on_failure = on_failure
        self._bell = Bell()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._is_ending = False
        self._began = time.monotonic()  # the step or job under way
        # A daemon: a plugin that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="narval-data", daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], T]) -> T:
        """Run a job in the thread, after the step under way; return its value, raise its error."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        self._bell.ring()
        return await asyncio.wrap_future(future)

    def seconds_busy(self) -> float:
        """Return for how long it has been in one call of the plugin; 0 while it waits."""
        began = max(self._began, self._bell.heard_at, self.abort.heard_at)
        return max(0.0, time.monotonic() - began)

    def place(self) -> str:
        """Return which line of a plugin in Python it is in: `FILE:LINE`; empty for none."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "" if frame is None else place_of(frame)

    def end(self) -> None:
        """Have the thread end when it is through with what it does. Again: no change."""
        self._is_ending = True
        self.abort.ring()
        self._bell.ring()

    def _run(self) -> None:
        while not self._is_ending:
            self._began = time.monotonic()
            if self._bell.is_rung:
                self._bell.clear()
                self._do_jobs()
            elif self.work is None:
                wait_for({}, None, self._bell)
            else:
                self._step(self.work)

    def _do_jobs(self) -> None:
        while True:
            try:
                job, future = self._jobs.get_nowait()
            except Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            self._began = time.monotonic()
            try:
                future.set_result(job())
            except NarvalError as error:
                future.set_exception(error if str(error) else NarvalError(describe(error)))
            except AbortedError:
                future.set_exception(NarvalError("it was given up: the links were reset"))
            except BaseException as error:  # a plugin in Python may raise anything
                logger.debug("a plugin failed", exc_info=error)
                future.set_exception(NarvalError(describe(error)))

    def _step(self, work: Work) -> None:
        try:
            work.step(self._bell)
        except AbortedError:
            self.work = None
        except NarvalError as error:
            self.work = None
            self._on_failure(str(error) or describe(error))
        except BaseException as error:  # as above, and the thread must live on
            logger.debug("a plugin failed", exc_info=error)
            self.work = None
            self._on_failure(describe(error))
