"""Asks the machines, decides, warns and stops; every stop has a log line.

The rounds are a job of the hub's (`vmlab.system.background`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from vmlab.model import MachineState
from vmlab.providers.base import Provider, ReportsActivity
from vmlab.system.background import apart
from vmlab.upkeep.idle.break_file import read_break
from vmlab.upkeep.idle.decide import (
    Desk,
    IdleAction,
    IdleFacts,
    IdleRules,
    IdleStep,
    decide_idle,
    of_groups,
)
from vmlab.upkeep.reconcile.facts import Seat
from vmlab_protocol.messages import Activity

_PERIOD_S = 60.0
_LOOKS_A_WARNING = 10
"""A warning that is shorter than ten minutes is looked after more often."""

_log = logging.getLogger(__name__)


class Hub(Protocol):
    """What is asked of the hub."""

    def seats(self) -> tuple[Seat, ...]:
        """Return every server of every user."""
        ...


class Stops(Protocol):
    """What stops servers."""

    async def stop_server(self, user: str, server: str = "") -> None:
        """Stop a server and return when it has ended."""
        ...


class IdleWatch:
    """Watches the machines of one hub.

    Args:
        hub: who has a server.
        stops: ends servers.
        provider: asks machines; with one that cannot, no machine is stopped.
        rules: when a machine is taken for forgotten.
        state: the folder of the file that declares breaks.
        busy: names machines that somebody uses whatever their agents say: an open SSH channel.
        clock: seconds, never jumping.
    """

    def __init__(
        self,
        hub: Hub,
        stops: Stops,
        provider: Provider,
        rules: IdleRules,
        state: Path,
        *,
        busy: Callable[[], Awaitable[Collection[str]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._stops = stops
        self._provider = provider
        self._rules = rules
        self._state = state
        self._busy = busy
        self._clock = clock
        self._warned: Mapping[tuple[str, float], float] = {}

    @property
    def period_s(self) -> float:
        """How often to look."""
        return min(_PERIOD_S, self._rules.warn_s / _LOOKS_A_WARNING)

    async def look(self) -> tuple[IdleStep, ...]:
        """Look once; return what was decided.

        Raises:
            LabError: what is asked for cannot be known; no machine is stopped.
        """
        provider = self._provider
        if not isinstance(provider, ReportsActivity):
            return ()
        pause = read_break(self._state)
        desks = await self._desks()
        asked = [name for desk in desks for name in desk.machines]
        activity = dict(await provider.activity(asked))
        activity |= dict.fromkeys(await self._busy_machines(), Activity(0.0, ("ssh",)))
        wall = time.time()
        known = of_groups(desks, activity)
        facts = IdleFacts(desks, known, pause.is_on(wall), pause.over_for_s(wall))
        decision = decide_idle(facts, self._rules, self._warned, self._clock())
        self._warned = decision.warned
        await asyncio.gather(*(self._take(step, provider) for step in decision.steps))
        return decision.steps

    async def _busy_machines(self) -> Collection[str]:
        if self._busy is None:
            return ()
        with apart("it is unknown to which machines an SSH channel is open"):
            return await self._busy()
        return ()  # agents see SSH sessions, too

    async def _desks(self) -> tuple[Desk, ...]:
        seats = [seat for seat in self._hub.seats() if seat.ready and not seat.pending]
        # The list of all hides no machine because another one's record is damaged.
        states = await self._provider.status()
        return tuple(
            Desk(seat.user, seat.server, seat.machine, status.since, seat.nodes)
            for seat in seats
            if (status := states.get(seat.machine)) and status.state is MachineState.RUNNING
        )

    async def _take(self, step: IdleStep, provider: ReportsActivity) -> None:
        desk = step.desk
        with apart(f"{desk.machine}: {step.action} failed") as part:
            if step.action is IdleAction.STOP:
                _log.warning(
                    "%s is stopped: nobody has worked in it for %.0f min (user %s)",
                    desk.machine, step.idle_s / 60, desk.user,
                )  # fmt: skip
                await self._stops.stop_server(desk.user, desk.server)
            elif step.action is IdleAction.WARN:
                _log.warning(
                    "%s: nobody has worked in it for %.0f min; it will be stopped in %.0f min",
                    desk.machine, step.idle_s / 60, step.in_s / 60,
                )  # fmt: skip
                await provider.warn(desk.machine, time.time() + step.in_s)
            else:
                _log.info("%s: somebody is at work again, or a break was declared", desk.machine)
                await provider.warn(desk.machine, 0)
        if part.error is not None and step.action is IdleAction.WARN:
            # Nobody was warned: the time starts when somebody is.
            run = (desk.machine, desk.since)
            self._warned = {key: at for key, at in self._warned.items() if key != run}
