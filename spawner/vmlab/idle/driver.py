"""Asks the machines, has them judged, warns and stops; every stop has a log line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from vmlab.errors import LabError
from vmlab.idle.break_file import read_break
from vmlab.idle.decide import Desk, IdleAction, IdleFacts, IdleRules, IdleStep, decide_idle
from vmlab.model import MachineState
from vmlab.providers.base import Provider, ReportsActivity
from vmlab.reconcile.facts import Seat

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
        provider: asks machines; one that cannot has no machine stopped.
        rules: when a machine is taken for forgotten.
        state: the folder of the file that declares breaks.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._stops = stops
        self._provider = provider
        self._rules = rules
        self._state = state
        self._clock = clock
        self._warned: Mapping[tuple[str, float], float] = {}

    async def run(self) -> None:
        """Look every minute, until cancelled."""
        period_s = min(_PERIOD_S, self._rules.warn_s / _LOOKS_A_WARNING)
        while True:
            await asyncio.sleep(period_s)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - logged
                # The root of a task that nobody awaits: the next look may do better.
                _log.exception("idle machines: this look failed; none was stopped")

    async def look(self) -> tuple[IdleStep, ...]:
        """Look once; return what was decided."""
        provider = self._provider
        if not isinstance(provider, ReportsActivity):
            return ()
        try:
            pause = read_break(self._state)
            desks = await self._desks()
            activity = await provider.activity([desk.machine for desk in desks])
        except LabError as error:
            _log.warning("idle machines: %s; none is stopped", error)
            return ()
        wall = time.time()
        facts = IdleFacts(desks, activity, pause.is_on(wall), pause.over_for_s(wall))
        decision = decide_idle(facts, self._rules, self._warned, self._clock())
        self._warned = decision.warned
        await asyncio.gather(*(self._take(step, provider) for step in decision.steps))
        return decision.steps

    async def _desks(self) -> tuple[Desk, ...]:
        seats = [seat for seat in self._hub.seats() if seat.ready and not seat.pending]
        states = await self._provider.status([seat.machine for seat in seats])
        return tuple(
            Desk(seat.user, seat.server, seat.machine, states[seat.machine].since)
            for seat in seats
            if states[seat.machine].state is MachineState.RUNNING
        )

    async def _take(self, step: IdleStep, provider: ReportsActivity) -> None:
        desk = step.desk
        try:
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
        except LabError as error:
            _log.warning("%s: %s failed: %s", desk.machine, step.action, error)
            if step.action is IdleAction.WARN:
                # Nobody was told: the time begins when somebody is.
                run = (desk.machine, desk.since)
                self._warned = {key: at for key, at in self._warned.items() if key != run}
