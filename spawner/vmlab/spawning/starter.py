"""One machine's start, whatever its role: its turn in the queue, its limits, what it took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from vmlab import messages
from vmlab.errors import MachineConflictError, MachineTimeoutError
from vmlab.model import MachineSpec
from vmlab.providers.base import Provider
from vmlab.seed import Seed
from vmlab.spawning.history import StartHistory
from vmlab.spawning.slots import StartSlots
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_log = logging.getLogger(__name__)


class FollowsStart(Protocol):
    """Who is told how far a machine's start is: one trainee's log, or all who wait for it."""

    medians_s: Mapping[str, float]
    """What the phases took in earlier starts."""

    @property
    def phase(self) -> Phase | None:
        """The phase under way."""
        ...

    @property
    def durations_s(self) -> Mapping[str, float]:
        """How long each phase took."""
        ...

    async def enter(self, phase: Phase, notice: Notice | None = None) -> None:
        """Take note that a phase begins, or of something within one."""
        ...

    async def wait_in_queue(self, place: int, wait_s: float | None) -> None:
        """Take note of the place in the queue."""
        ...


@dataclass(frozen=True)
class StartLimits:
    """How long a machine's start may take."""

    queue_s: float  # until it is its turn
    machine_s: float  # from then on


@dataclass(frozen=True)
class Starter:
    """Starts machines of one lab, each in its turn."""

    provider: Provider
    slots: StartSlots
    limits: StartLimits
    history: Callable[[str, str], StartHistory]  # of starts of this kind that were made this way
    open_way: Callable[[], Awaitable[None]]  # has machines reach the hub

    async def start(
        self,
        spec: MachineSpec,
        seed: Seed,
        track: FollowsStart,
        settle: Callable[[], Awaitable[None]],
        *,
        kind: str = "",
    ) -> None:
        """Start a machine and return when it is of use; a machine half started is taken over.

        Args:
            track: told each phase, READY as the last.
            settle: returns when the machine is of use, once its agent has set it up; others have
                their turn meanwhile.
            kind: starts of one kind take alike; empty: by the image.

        Raises:
            MachineTimeoutError: its turn did not come, or it was not ready, in time.
            LabError: as `Provider.start`, and as `settle`.
        """
        try:
            await self._start(spec, seed, track, settle, kind or spec.image)
        except TimeoutError as error:
            raise timeout_error(spec.name, track.phase) from error

    async def _start(
        self,
        spec: MachineSpec,
        seed: Seed,
        track: FollowsStart,
        settle: Callable[[], Awaitable[None]],
        kind: str,
    ) -> None:
        track.medians_s = await self.history(kind, "").medians_s()
        way = ""

        async def tell_place(place: int) -> None:
            # The server's own start is outside of the slot.
            start_s = sum(s for phase, s in track.medians_s.items() if phase != Phase.SERVER)
            await track.wait_in_queue(place, self.slots.expected_wait_s(place, start_s))

        async with (
            self.slots.hold(tell_place, self.limits.queue_s) as give_back,
            asyncio.timeout(self.limits.machine_s),
        ):
            await self.open_way()
            async with aclosing(self.provider.start(spec, seed)) as events:
                async for event in events:
                    level = logging.INFO if event.detail else logging.DEBUG
                    _log.log(level, "%s: %s %s", spec.name, event.phase, event.detail)
                    if event.way and event.way != way:
                        way = event.way
                        track.medians_s = await self.history(kind, way).medians_s()
                    await track.enter(event.phase, event.notice)
            give_back()
            await settle()
        await track.enter(Phase.READY)
        for history in {self.history(kind, ""), self.history(kind, way)}:
            await history.record(track.durations_s)


def unwanted_error(machine: str) -> MachineConflictError:
    """Return the error for a start that somebody stopped."""
    return MachineConflictError(
        machine, "it was switched off while it was starting", public=messages.WENT_OFF
    )


def timeout_error(machine: str, phase: Phase | None) -> MachineTimeoutError:
    """Return the error for a start that took too long in this phase."""
    if phase is Phase.QUEUE:
        return MachineTimeoutError(
            machine,
            "waited in the queue for too long",
            hint="see [provider] start_slots in docs/operator.md",
            public=messages.LONG_QUEUE,
        )
    return MachineTimeoutError(
        machine,
        f"not ready in time; the last phase was {phase or 'none: others come before it'}",
        hint=f"vmlab machine console {machine}",
        public=messages.TOO_LATE,
    )
