"""The steps of a rehearsal: each is timed, and noted however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from vmlab.errors import LabError, ProviderError
from vmlab.providers.base import Ran
from vmlab.rehearsal.report import Kind, Outcome, Step

Work = Callable[[], Awaitable[None]]
T = TypeVar("T")


class CommandError(ProviderError):
    """A command in a machine ended with another status than 0; carries what it printed."""

    def __init__(self, machine: str, what: str, ran: Ran) -> None:
        super().__init__(machine, f"{what} ended with status {ran.status}")
        self.output = ran.output


class Steps:
    """Those of one rehearsal, in the order in which they ended.

    Args:
        done: is told each step when it has ended.
    """

    def __init__(self, done: Callable[[Step], None]) -> None:
        self.ended: list[Step] = []
        self._done = done

    async def do(self, kind: Kind, what: str, work: Work) -> bool:
        """Do it and note how it went; return whether it was done."""
        began = time.monotonic()
        message = log = ""
        outcome = Outcome.STOPPED
        try:
            await work()
            outcome = Outcome.DONE
        except LabError as error:
            outcome = Outcome.FAILED
            message, _, log = error.message.partition("\n")
            log = error.output if isinstance(error, CommandError) else log
        finally:
            took_s = round(time.monotonic() - began, 3)
            self._note(Step(kind, what, outcome, took_s, message, log))
        return outcome is Outcome.DONE

    def skip(self, kind: Kind, what: str, why: str) -> None:
        """Note that it could not be done."""
        self._note(Step(kind, what, Outcome.SKIPPED, 0.0, why))

    def _note(self, step: Step) -> None:
        self.ended.append(step)
        self._done(step)


async def do_all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all at once; when this is cancelled, so are they, and they have ended."""

    async def do(each: Awaitable[T]) -> T:
        return await each

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(do(each)) for each in work]
    return [task.result() for task in tasks]
