"""The machine that all trainees of an event share: started once, by whoever comes first.

Its start is a task of its own in the hub's process: whoever began it may be cancelled or fail
without ending it for the others. The reconciler stops it when nobody has had a machine for a
while, and starts it again when it ended while others are at work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vmlab.errors import LabError, MachineConflictError
from vmlab.groups.plan import make_server
from vmlab.groups.ready import wait_until_ready
from vmlab.groups.rules import GroupRules
from vmlab.groups.sharing import serve_files
from vmlab.model import MachineState
from vmlab.seed import Seed
from vmlab.spawning.log import PhaseClock
from vmlab.spawning.starter import FollowsStart, Starter
from vmlab.system.background import apart
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_log = logging.getLogger(__name__)


class Crowd:
    """All who wait for one start: what is told of it reaches each of them."""

    def __init__(self) -> None:
        self._clock = PhaseClock()
        self._tracks: list[FollowsStart] = []
        self._medians_s: Mapping[str, float] = {}

    @property
    def medians_s(self) -> Mapping[str, float]:
        """What the phases took in earlier starts."""
        return self._medians_s

    @medians_s.setter
    def medians_s(self, medians_s: Mapping[str, float]) -> None:
        self._medians_s = medians_s
        for track in self._tracks:
            track.medians_s = medians_s

    @property
    def phase(self) -> Phase | None:
        """The phase under way."""
        return self._clock.phase

    @property
    def durations_s(self) -> Mapping[str, float]:
        """How long each phase took."""
        return self._clock.durations_s

    async def enter(self, phase: Phase, notice: Notice | None = None) -> None:  # noqa: ARG002
        """Tell all; what is to be known of a machine's system is for its operator, not for them."""
        self._clock.begin(phase)
        for track in list(self._tracks):
            await track.enter(phase)

    async def wait_in_queue(self, place: int, wait_s: float | None) -> None:
        """Tell all the place in the queue."""
        self._clock.begin(Phase.QUEUE)
        for track in list(self._tracks):
            await track.wait_in_queue(place, wait_s)

    async def join(self, track: FollowsStart) -> None:
        """Tell this one, too, from now on."""
        self._tracks.append(track)
        track.medians_s = self._medians_s
        if self.phase is not None and self.phase is not Phase.QUEUE:
            await track.enter(self.phase)

    def leave(self, track: FollowsStart) -> None:
        """Tell this one no more."""
        self._tracks = [other for other in self._tracks if other is not track]


class SharedStart:
    """The start of one machine, awaited by many: there is never more than one."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._task: asyncio.Task[None] | None = None
        self._crowd = Crowd()

    @property
    def is_under_way(self) -> bool:
        """Whether it is being started."""
        return self._task is not None and not self._task.done()

    async def wait(
        self, begin: Callable[[Crowd], Coroutine[Any, Any, None]], track: FollowsStart | None = None
    ) -> None:
        """Wait for the start under way, or for a new one; raises what it raises.

        Args:
            begin: makes a start, which goes on if the caller is cancelled.
            track: told how far it is.
        """
        if self._task is None or not self.is_under_way:
            self._crowd = Crowd()
            self._task = asyncio.get_running_loop().create_task(begin(self._crowd))
            self._task.add_done_callback(_note_failure)
        crowd, task = self._crowd, self._task
        try:
            if track:
                await crowd.join(track)
            await asyncio.shield(task)
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if task.cancelled() and waiter is not None and not waiter.cancelling():
                raise MachineConflictError(self._machine, "its start was ended") from None
            raise
        finally:
            if track:
                crowd.leave(track)


def _note_failure(task: asyncio.Task[None]) -> None:
    """Log why it failed: perhaps nobody waits for it any more."""
    if not task.cancelled() and (error := task.exception()):
        level = logging.WARNING if isinstance(error, LabError) else logging.ERROR
        _log.log(level, "the event's server could not be started: %s", error)


@cache
def shared_start(machine: str) -> SharedStart:
    """Return the starts of this machine; one object a process."""
    return SharedStart(machine)


async def ensure_server(
    rules: GroupRules,
    starter: Starter,
    database: Path,
    language: str,
    track: FollowsStart | None = None,
    *,
    restart: bool = False,
) -> None:
    """Return when the event's server is ready, starting it where it does not run.

    One whose start fails is switched off; one that ran before is left as it is.

    Args:
        rules: of a lab that has one.
        database: VMLab's own.
        language: of what the machine says.
        track: told how far it is.
        restart: stop it first. That is a part of the start: whoever needs the server meanwhile
            waits for the new one, and nobody takes its end for a crash.

    Raises:
        LabError: it cannot be started, or is not ready in time.
    """
    member = make_server(rules)
    assert member is not None  # noqa: S101 - see Args
    spec, provider, name = member.spec, starter.provider, member.spec.name
    seed = Seed(env={}, language=language, serves=False)

    async def settle() -> None:
        await serve_files(provider, database, rules)
        await wait_until_ready(provider, member)

    async def begin(crowd: Crowd) -> None:
        if restart:
            await provider.stop(name)
        if (await provider.status([name]))[name].state is MachineState.RUNNING:
            with apart(f"{name}: it serves what it was told before"):
                await serve_files(provider, database, rules)
            await wait_until_ready(provider, member)
            return
        try:
            await starter.start(spec, seed, crowd, settle, kind=f"{spec.image}/{member.label}")
            await provider.note_serving(name)
        except Exception:
            with apart(f"{name}: what is left of it could not be ended"):
                await provider.stop(name, now=True)
            raise

    await shared_start(name).wait(begin, track)
    if track and track.phase is not Phase.READY:
        await track.enter(Phase.READY)


def require_rest(server: str) -> None:
    """Check that the event's server is not being started.

    Raises:
        MachineConflictError: it is.
    """
    if shared_start(server).is_under_way:
        raise MachineConflictError(server, "it is being started")
