"""Restarts of single machines of a group while the others run. One at a time for each machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from vmlab import messages
from vmlab.errors import LabError, MachineConflictError
from vmlab_protocol.notices import Notice

_log = logging.getLogger(__name__)


class SingleRestarts:
    """The restarts of one hub. Of each machine it is remembered why the last one failed, if so."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, Notice] = {}

    @property
    def under_way(self) -> frozenset[str]:
        """The machines that are being restarted."""
        return frozenset(self._tasks)

    @property
    def failed(self) -> Mapping[str, Notice]:
        """What trainees are told of restarts that failed, by machine."""
        return self._failed

    def begin(self, machine: str, restart: Callable[[], Awaitable[None]]) -> None:
        """Begin, and return at once.

        Args:
            machine: its name with the provider.
            restart: stops it and starts it again.

        Raises:
            MachineConflictError: it is being restarted already.
        """
        if machine in self._tasks:
            raise MachineConflictError(machine, "it is being restarted already")
        self._failed.pop(machine, None)
        task = asyncio.get_running_loop().create_task(self._run(machine, restart))
        self._tasks[machine] = task
        task.add_done_callback(lambda _: self._tasks.pop(machine))

    async def _run(self, machine: str, restart: Callable[[], Awaitable[None]]) -> None:
        try:
            await restart()
        except LabError as error:
            _log.error("%s: not restarted: %s", machine, error)
            self._failed[machine] = error.public or messages.NOT_RESTARTED
        except Exception:  # noqa: BLE001 - logged
            # The root of a task that nobody awaits: those who look at the machine must hear of it.
            _log.exception("%s: not restarted", machine)
            self._failed[machine] = messages.NOT_RESTARTED
