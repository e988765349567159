"""The event's server: it runs as long as somebody has machines, and is not missed for long.

The reconciler starts it wherever it is off while somebody is at work. Whoever is at work when it
ends has files on it that wait, so that its end is looked for more often than rounds are made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from jupyterhub.app import JupyterHub

from vmlab.groups.rules import GroupRules
from vmlab.paths import Paths
from vmlab.providers.abilities import LeadsToHub
from vmlab.providers.base import Provider
from vmlab.spawning.history import find_history
from vmlab.spawning.restarts import Restarts
from vmlab.spawning.shared_server import ensure_server, shared_start
from vmlab.spawning.slots import StartSlots
from vmlab.spawning.starter import Starter, StartLimits
from vmlab.upkeep.reconcile.decide import count_at_work
from vmlab.upkeep.reconcile.facts import Seat

LOOK_S: Final = 3.0
"""How often its end is looked for."""

_log = logging.getLogger(__name__)


class EventServer:
    """The server of one event (`vmlab.upkeep.reconcile.driver.SharedMachine`).

    Args:
        rules: of the lab.
        starter: starts it.
        database: VMLab's own.
        language: of what it says.
        seats: returns the hub's servers.
    """

    def __init__(
        self,
        rules: GroupRules,
        starter: Starter,
        database: Path,
        language: str,
        seats: Callable[[], Iterable[Seat]],
    ) -> None:
        self._seats = seats
        self._was_on = False  # at the last look
        self._is_given_up = False
        self._rules = rules
        self._starter = starter
        self._database = database
        self._language = language
        self._restarts = Restarts()
        self._task: asyncio.Task[None] | None = None

    @property
    def machine(self) -> str:
        """Its name."""
        return self._rules.server_machine

    def begin_start(self) -> None:
        """Begin to start it, and return at once; no-op while it is being started.

        One that ended again and again is left off: the next trainee who starts tries once more.
        """
        if shared_start(self.machine).is_under_way:
            return
        if not self._restarts.may_begin():
            if not self._is_given_up:
                _log.error("%s: not started again: it ended too often", self.machine)
            self._is_given_up = True
            return
        self._is_given_up = False
        start = ensure_server(self._rules, self._starter, self._database, self._language)
        self._task = asyncio.create_task(start)
        self._task.add_done_callback(_consume)

    async def look(self) -> None:
        """Begin to start it if it has ended since the last look, and somebody is at work.

        One that does not start is left to the reconciler's rounds.

        Raises:
            LabError: its state is not known.
        """
        if shared_start(self.machine).is_under_way:
            return  # also while somebody restarts it: that is no end
        at_work = count_at_work(self._seats())
        if not at_work:
            self._was_on = False
            return
        status = (await self._starter.provider.status([self.machine]))[self.machine]
        was_on, self._was_on = self._was_on, status.state.is_on
        if was_on and not status.state.is_on:
            why = f" ({status.problem})" if status.problem else ""
            _log.warning(
                "%s: it ended%s, and %d servers need it: started again", self.machine, why, at_work
            )
            self.begin_start()


def _consume(task: asyncio.Task[None]) -> None:
    """Take note of how it ended: why it failed was logged with the start."""
    if not task.cancelled():
        task.exception()


def hub_starter(
    provider: Provider, name: str, paths: Paths, slots: StartSlots, limits: StartLimits
) -> Starter:
    """Return what starts machines of no trainee's, in the hub's process.

    Args:
        name: the provider's, as the lab says it.
    """

    async def open_way() -> None:
        if isinstance(provider, LeadsToHub):
            application = JupyterHub.instance().tornado_application
            await provider.open_way(application, paths.proxy_listener)

    history = find_history(paths.database, name, provider.features)
    return Starter(provider, slots, limits, history, open_way)
