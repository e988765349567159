"""Reads the facts, decides, and carries out the actions; every action has a log line.

One round at a time. If facts cannot be read, the round ends: nothing is decided on half of them.
The rounds are a job of the hub's (`vmlab.system.background`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from vmlab.model import Leftover
from vmlab.providers.base import Provider, TidiesUp
from vmlab.system.background import apart
from vmlab.upkeep.reconcile.decide import decide
from vmlab.upkeep.reconcile.facts import Action, ActionKind, Facts, HeldVolume, Seat, ServerToken

PERIOD_S = 60.0
GRACE_S = 600.0

_log = logging.getLogger(__name__)


class Hub(Protocol):
    """What is asked of the hub (`vmlab.upkeep.reconcile.hub_side`)."""

    def seats(self) -> tuple[Seat, ...]:
        """Return every server of every user."""
        ...

    def tokens(self) -> tuple[ServerToken, ...]:
        """Return the tokens of servers."""
        ...

    async def adopt(self, user: str, server: str) -> None:
        """Take the running machine over."""
        ...

    async def forget(self, user: str, server: str) -> None:
        """End the server if its machine does not run."""
        ...

    def revoke(self, token: ServerToken) -> None:
        """Delete a token."""
        ...


class VolumeHolders(Protocol):
    """What the registry of volumes offers the reconciler. It never deletes a volume."""

    async def held(self) -> tuple[HeldVolume, ...]:
        """Return the volumes that a machine holds."""
        ...

    async def release(self, volume: HeldVolume) -> None:
        """Let the volume go if this holder still has it; no-op otherwise."""
        ...


class SharedMachine(Protocol):
    """The machine that all servers share (`vmlab.upkeep.event_server`)."""

    @property
    def machine(self) -> str:
        """Its name."""
        ...

    def begin_start(self) -> None:
        """Begin to start it, and return at once."""
        ...


class Reconciler:
    """Keeps one hub and one provider consistent.

    Args:
        hub: the hub's side.
        provider: the machines' side.
        volumes: the registry, where there is one.
        shared: the machine that all servers share, where there is one.
        grace_s: how long an orphan is left alone.
        clock: seconds, never jumping.
    """

    def __init__(
        self,
        hub: Hub,
        provider: Provider,
        *,
        volumes: VolumeHolders | None = None,
        shared: SharedMachine | None = None,
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._provider = provider
        self._volumes = volumes
        self._shared = shared
        self._grace_s = grace_s
        self._clock = clock
        self._seen: Mapping[str, float] = {}
        self._is_first = True

    async def look(self) -> tuple[Action, ...]:
        """Look once; return what was carried out.

        Raises:
            LabError: the facts cannot be read; nothing is removed on half of them.
        """
        facts = await self._read()
        decision = decide(facts, self._seen, self._clock(), self._grace_s)
        self._seen, self._is_first = decision.seen, False
        for action in decision.noticed:
            _log.warning(
                "reconciling: %s: to be %s in %.0f s if it stays so: %s",
                action.subject, _PAST[action.kind], self._grace_s, action.why,
            )  # fmt: skip
        done = [action for action in decision.actions if await self._carry_out(action)]
        return tuple(done)

    async def _read(self) -> Facts:
        # Seats before and after the machines: one that came or went meanwhile counts as active.
        before = self._hub.seats()
        machines = await self._provider.status()
        leftovers: tuple[Leftover, ...] = ()
        if isinstance(self._provider, TidiesUp):
            leftovers = tuple(await self._provider.leftovers())
        held = await self._volumes.held() if self._volumes else ()
        return Facts(
            machines=machines,
            seats=_merge(before, self._hub.seats()),
            tokens=self._hub.tokens(),
            leftovers=leftovers,
            held=held,
            first=self._is_first,
            shared=self._shared.machine if self._shared else "",
        )

    async def _carry_out(self, action: Action) -> bool:
        """Do it if it still makes sense; tell whether it was done."""
        if action.kind not in _OF_ACTIVE and self._is_active(action):
            return False  # a trainee came back meanwhile
        _log.warning("reconciling: %s is %s: %s", action.subject, _PAST[action.kind], action.why)
        with apart(f"reconciling: {action.subject} could not be {_PAST[action.kind]}") as part:
            await self._act(action)
        return part.error is None

    def _is_active(self, action: Action) -> bool:
        machine = action.subject
        if action.leftover:
            machine = action.leftover.machine
        elif action.volume:
            machine = action.volume.holder
        elif action.token:
            return False  # its server may be active: what goes is an older token
        active = [seat for seat in self._hub.seats() if seat.active]
        if self._shared and machine == self._shared.machine:
            return bool(active)
        return any(machine in seat.machines for seat in active)

    async def _act(self, action: Action) -> None:
        if action.kind is ActionKind.ADOPT:
            await self._hub.adopt(action.user, action.server)
        elif action.kind is ActionKind.FORGET:
            await self._hub.forget(action.user, action.server)
        elif action.kind is ActionKind.STOP:
            await self._provider.stop(action.subject)
        elif action.kind is ActionKind.START and self._shared:
            self._shared.begin_start()
        elif action.token:
            self._hub.revoke(action.token)
        elif action.leftover and isinstance(self._provider, TidiesUp):
            await self._provider.clear(action.leftover)
        elif action.volume and self._volumes:
            await self._volumes.release(action.volume)


_OF_ACTIVE = frozenset({ActionKind.FORGET, ActionKind.START})
"""Actions that are for the sake of servers that are active."""

_PAST: Mapping[ActionKind, str] = {
    ActionKind.ADOPT: "adopted",
    ActionKind.FORGET: "handed to the hub to end",
    ActionKind.STOP: "stopped",
    ActionKind.START: "started again",
    ActionKind.REVOKE: "revoked",
    ActionKind.CLEAR: "cleared away",
    ActionKind.RELEASE: "let go",
}


def _merge(before: tuple[Seat, ...], after: tuple[Seat, ...]) -> tuple[Seat, ...]:
    """Return the seats of now; what was active before and is no more, or changed, is pending."""
    then = {(seat.user, seat.server): seat for seat in before}
    merged = [_changed(then.pop((seat.user, seat.server), None), seat) for seat in after]
    gone = [replace(s, ready=False, pending=True) for s in then.values() if s.active]
    return (*merged, *gone)


def _changed(before: Seat | None, now: Seat) -> Seat:
    if before is not None and before.active == now.active and before.ready == now.ready:
        return now
    if before is None and not now.active:
        return now
    return replace(now, ready=False, pending=True)
