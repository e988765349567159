"""A new machine with the same volume: stop, set aside, start. One at a time for each machine.

The steps run in the hub's process, and each can be repeated: a hub that dies in the middle leaves a
machine that is stopped or set aside, and the same request goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from enum import StrEnum

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
    DONE = "done"  # set aside; no new one was wanted
    FAILED = "failed"


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
        return self.stage not in {RenewalStage.STOPPING, RenewalStage.ASIDE}


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
        before = self._known.get(target.machine)
        if before is not None and not before.is_over:
            raise MachineConflictError(target.machine, "it is being renewed already")
        renewal = self._note(Renewal(target.machine, RenewalStage.STOPPING))
        task = asyncio.get_running_loop().create_task(self._run(target, renewal, start=start))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return renewal

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
            _log.info(
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
