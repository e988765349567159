"""A trainee's further machines: started with the desk, restarted and replaced one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from vmlab import messages
from vmlab.errors import LabError, MachineConflictError
from vmlab.groups.facts import Member
from vmlab.groups.ready import wait_until_ready
from vmlab.model import EndCause, MachineState, MachineStatus
from vmlab.providers.base import Provider
from vmlab.seed import Seed
from vmlab.spawning.log import StartLog
from vmlab.spawning.restarts import Restarts
from vmlab.spawning.starter import FollowsStart, Starter
from vmlab.system.background import apart
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

STARTED_AGAIN = frozenset({EndCause.REBOOT, EndCause.PANIC})
"""A machine that ended so is started again: its trainee did not switch it off."""

_log = logging.getLogger(__name__)


async def start_node(
    member: Member, starter: Starter, seed: Seed, track: FollowsStart, *, kind: str
) -> bool:
    """Start a node and return when it is ready; one that runs is left as it is.

    Returns:
        Whether it was given the seed.

    Raises:
        LabError: as `Starter.start` and `wait_until_ready`.
    """
    provider, name = starter.provider, member.spec.name

    async def settle() -> None:
        if member.ready:
            await track.enter(Phase.SERVER)
        await wait_until_ready(provider, member)
        await provider.note_serving(name)

    if (await provider.status([name]))[name].state is MachineState.RUNNING:
        await settle()
        await track.enter(Phase.READY)
        return False
    await starter.start(member.spec, seed, track, settle, kind=kind)
    return True


async def end_node(provider: Provider, name: str, *, renew: bool) -> str:
    """Stop a node that is to be started again.

    Args:
        renew: set the machine aside, so that a new one starts with the same volume.

    Returns:
        The name under which a renewed machine is kept; empty: it is not.

    Raises:
        LabError: it could not be stopped or set aside.
    """
    await provider.stop(name)
    return await set_aside(provider, name) if renew else ""


async def start_alone(member: Member, starter: Starter, seed: Seed) -> None:
    """Start a node while the others go on; what is left of one that fails is ended.

    Raises:
        LabError: as `start_node`.
    """
    provider, name = starter.provider, member.spec.name
    log = StartLog(seed.language, after={member.label: ()})
    try:
        await start_node(member, starter, seed, log.desk, kind=f"{member.spec.image}/alone")
    except Exception:
        with apart(f"{name}: what is left of it could not be ended"):
            await provider.stop(name, now=True)
        raise


async def set_aside(provider: Provider, name: str) -> str:
    """Set a machine aside; return the name under which it is kept, empty if it is not.

    Raises:
        LabError: as `Provider.set_aside`.
    """
    kept = await provider.set_aside(name)
    _log.warning("%s: set aside as %s", name, kept or "nothing: absent, or too large")
    return kept


@dataclass(frozen=True)
class SingleEnd:
    """How the restart of a single machine ended."""

    kept: str = ""  # the name under which the old machine is kept, if it was replaced
    failure: Notice | None = None  # what trainees are told; None: it runs


class SingleRestarts:
    """The restarts of single machines of one trainee, one at a time for each machine."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[SingleEnd]] = {}
        self._counts: dict[str, Restarts] = {}
        self._failed: dict[str, Notice] = {}

    @property
    def failed(self) -> Mapping[str, Notice]:
        """What trainees are told of the last restarts that failed, by label."""
        return self._failed

    @property
    def under_way(self) -> frozenset[str]:
        """The labels of machines that are being restarted."""
        return frozenset(label for label, task in self._tasks.items() if not task.done())

    def begin(
        self, machine: str, label: str, work: Callable[[], Awaitable[str | None]]
    ) -> asyncio.Task[SingleEnd]:
        """Begin to restart a machine, and return at once, with what tells how it ends.

        Args:
            work: returns the name under which the old machine is kept, if any.

        Raises:
            MachineConflictError: it is being restarted already.
        """
        if label in self.under_way:
            raise MachineConflictError(machine, "it is being restarted already")
        self._failed.pop(label, None)
        task = asyncio.get_running_loop().create_task(self._run(machine, label, work))
        self._tasks[label] = task
        return task

    def begin_ended(
        self,
        machines: Mapping[str, str],
        states: Mapping[str, MachineStatus],
        restart: Callable[[str], Awaitable[str | None]],
    ) -> None:
        """Begin to restart those that were rebooted or crashed; one that always does stays off.

        Args:
            machines: label → name.
            restart: restarts one, by its label.
        """
        for label, name in machines.items():
            cause = states[name].cause
            if cause not in STARTED_AGAIN or label in self.under_way:
                continue
            if self._counts.setdefault(label, Restarts()).may_begin():
                _log.warning("%s: restarted after a %s from inside", name, cause)
                self.begin(name, label, partial(restart, label))

    def clear(self) -> None:
        """Count restarts from the beginning, and forget failures."""
        self._counts.clear()
        self._failed.clear()

    async def cancel(self) -> None:
        """End all that are under way where they are."""
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        self._tasks.clear()

    async def _run(
        self, machine: str, label: str, work: Callable[[], Awaitable[str | None]]
    ) -> SingleEnd:
        try:
            return SingleEnd(await work() or "")
        except Exception as error:  # noqa: BLE001 - logged
            # The root of a task: what failed is seen in the machine's state, and in `failed`.
            level = logging.WARNING if isinstance(error, LabError | TimeoutError) else logging.ERROR
            _log.log(level, "%s: could not be restarted: %s", machine, error,
                     exc_info=level == logging.ERROR)  # fmt: skip
            public = error.public if isinstance(error, LabError) else None
            self._failed[label] = public or messages.NOT_RESTARTED
            return SingleEnd(failure=self._failed[label])
