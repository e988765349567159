"""A new machine with the same volume: stop, set aside, start. One at a time for each machine.

Where further machines of the trainee run beside it, the hub's server stays, and they go on: then
its spawner replaces the machine by itself, and here it is only followed.

The steps run in the hub's process, and each can be repeated: a hub that dies in the middle leaves a
machine that is stopped or set aside, and the same request goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from vmlab import messages
from vmlab.errors import LabError, MachineConflictError
from vmlab.hub.client import HubClient
from vmlab.providers.base import Provider
from vmlab_protocol.notices import Notice

_log = logging.getLogger(__name__)


class RenewalStage(StrEnum):
    """How far a renewal got."""

    STOPPING = "stopping"  # the server is being stopped, and its machine with it
    ASIDE = "aside"  # the machine is being set aside
    STARTING = "starting"  # the hub starts a new one: its progress is a start's
    ALONE = "alone"  # one machine of several is being replaced, while the others run
    READY = "ready"  # it was: the new one runs
    DONE = "done"  # set aside; no new one was wanted
    FAILED = "failed"


UNDER_WAY: Final = frozenset({RenewalStage.STOPPING, RenewalStage.ASIDE, RenewalStage.ALONE})


class EndOfOne(Protocol):
    """How the replacement of one machine of several ended."""

    @property
    def kept(self) -> str:
        """The name under which the old machine is kept; empty: it is not."""
        ...

    @property
    def failure(self) -> Notice | None:
        """What the trainee is told if it failed."""
        ...


@dataclass(frozen=True)
class RenewalTarget:
    """Whose machine is to be replaced."""

    user: str
    server: str
    machine: str


@dataclass(frozen=True)
class Renewal:
    """One renewal, under way or over."""

    machine: str
    stage: RenewalStage
    kept: str = ""  # the name under which the old machine is kept; empty: there was none
    problem: str = ""  # for the operator
    saying: Notice | None = None  # for the trainee

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.stage not in UNDER_WAY


class Renewals:
    """The renewals of one hub. Of each machine the last one is remembered."""

    def __init__(self, client: HubClient, provider: Provider) -> None:
        self._client = client
        self._provider = provider
        self._known: dict[str, Renewal] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, target: RenewalTarget, *, start: bool = True) -> Renewal:
        """Begin, and return at once.

        Args:
            target: whose machine.
            start: start the new machine too.

        Raises:
            MachineConflictError: it is being renewed already.
        """
        self._require_none(target.machine)
        renewal = self._note(Renewal(target.machine, RenewalStage.STOPPING))
        task = asyncio.get_running_loop().create_task(self._run(target, renewal, start=start))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return renewal

    def begin_alone(
        self, machine: str, replace_it: Callable[[], asyncio.Task[EndOfOne]]
    ) -> Renewal:
        """Begin to replace a machine while others of its group run, and return at once.

        Args:
            replace_it: begins it.

        Raises:
            MachineConflictError: it is being renewed or restarted already.
        """
        self._require_none(machine)
        task = replace_it()
        renewal = self._note(Renewal(machine, RenewalStage.ALONE))
        task.add_done_callback(partial(self._end_alone, renewal))
        return renewal

    def _end_alone(self, renewal: Renewal, task: asyncio.Task[EndOfOne]) -> None:
        if task.cancelled():
            self._fail(renewal, "the machines of its group were switched off meanwhile", None)
            return
        end = task.result()
        if end.failure:
            self._fail(renewal, "see the log", end.failure)
            return
        self._note(replace(renewal, stage=RenewalStage.READY, kept=end.kept))

    def _require_none(self, machine: str) -> None:
        before = self._known.get(machine)
        if before is not None and not before.is_over:
            raise MachineConflictError(machine, "it is being renewed already")

    def state(self, machine: str) -> Renewal | None:
        """Return the machine's last renewal since this hub began."""
        return self._known.get(machine)

    def _note(self, renewal: Renewal) -> Renewal:
        self._known[renewal.machine] = renewal
        return renewal

    async def _run(self, target: RenewalTarget, renewal: Renewal, *, start: bool) -> None:
        try:
            await self._client.stop_server(target.user, target.server)
            renewal = self._note(replace(renewal, stage=RenewalStage.ASIDE))
            kept = await self._provider.set_aside(target.machine)
            _log.warning(
                "%s: set aside as %s", target.machine, kept or "nothing: absent, or too large"
            )
            stage = RenewalStage.STARTING if start else RenewalStage.DONE
            if start:
                await self._client.start_server(target.user, target.server)
            self._note(replace(renewal, stage=stage, kept=kept))
        except LabError as error:
            _log.error("%s: not renewed: %s", target.machine, error)
            self._fail(renewal, error.message, error.public)
        except Exception as error:  # noqa: BLE001 - logged
            # The root of a task that nobody awaits: those who wait for the renewal must hear of it.
            _log.exception("%s: not renewed", target.machine)
            self._fail(renewal, f"unexpected {type(error).__name__}", None)

    def _fail(self, renewal: Renewal, problem: str, saying: Notice | None) -> None:
        failed = replace(renewal, stage=RenewalStage.FAILED, problem=problem)
        self._note(replace(failed, saying=saying or messages.NOT_RENEWED))
