"""VMSpawner: JupyterHub's life cycle on top of a provider of machines, nothing else.

    c.JupyterHub.spawner_class = "vm"
    c.VMSpawner.image = "desk"

Names follow from user and server name, and `poll`, `stop` and `get_url` ask the provider: a hub
that was killed at any moment finds its machines again. Where a lab has several machines for each
trainee they start and stop as one; the hub's server is the desk's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

from jupyterhub.utils import maybe_future
from traitlets import Instance, default

from vmlab import messages
from vmlab.errors import LabError, MachineConflictError, MachineNotFoundError
from vmlab.hub.server_tokens import revoke_server_tokens
from vmlab.lab.start_order import DESK
from vmlab.model import EndCause, MachineState, MachineStatus
from vmlab.spawning.log import StartLog
from vmlab.spawning.nodes import STARTED_AGAIN, SingleEnd, set_aside
from vmlab.spawning.own_machines import OwnMachines
from vmlab.spawning.refusal import as_lab_error, make_refusal
from vmlab.spawning.restarts import Restarts
from vmlab.spawning.settings import TIMEOUT_MARGIN_S, SpawnerSettings
from vmlab.spawning.starter import timeout_error, unwanted_error
from vmlab.system.background import apart
from vmlab_protocol.notices import Notice


class VMSpawner(SpawnerSettings):
    """Gives every user a whole virtual machine, or several."""

    _starting = False
    _limit: asyncio.Timeout | None = None  # of the start under way
    _is_unwanted = False  # whether it was stopped meanwhile
    _log: StartLog | None = None  # of the start under way, or of the last one

    _own = Instance(OwnMachines)
    _log_made = Instance(asyncio.Event, ())
    _restarts = Instance(Restarts, ())

    @default("_own")
    def _own_default(self) -> OwnMachines:
        return OwnMachines(self)

    # -- names and state -----------------------------------------------------------------------

    @property
    def machine(self) -> str:
        """Name of the desk; stays when the user is renamed."""
        return self._own.desk

    def get_state(self) -> dict[str, Any]:
        """Return what the hub keeps; holders of `admin:server_state` read it: no secret."""
        state: dict[str, Any] = super().get_state()
        state["vmlab"] = self._own.as_state()
        return state

    def clear_state(self) -> None:
        """Forget the last start; the names stay. The hub calls this before each start."""
        super().clear_state()
        self._log = None
        self._log_made = asyncio.Event()

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what an earlier hub kept."""
        super().load_state(state)
        self._own.take_state(state.get("vmlab") or {})

    # -- the life cycle --------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the machines and return the URL of the desk's server once it answers.

        Raises:
            SpawnException: one could not be started; carries a message for the trainee only.
        """
        self._restarts.clear()
        self._own.singles.clear()
        try:
            return await self._bring_up(self.rules.after)
        except TimeoutError as error:
            late = timeout_error(self.machine, self._log.desk.phase if self._log else None)
            raise make_refusal(
                unwanted_error(self.machine) if self._is_unwanted else late
            ) from error
        except LabError as error:
            raise make_refusal(error) from error
        except Exception as error:
            # The root of a start: the hub would show the exception's own words to the trainee.
            self.log.exception("%s: unexpected failure of a start", self.machine)
            raise make_refusal(as_lab_error(self.machine, error)) from error

    async def _bring_up(
        self, after: Mapping[str, tuple[str, ...]], notices: tuple[Notice, ...] = ()
    ) -> str:
        """Start these machines, the desk among them; return the URL of its server."""
        self._starting = True
        self._is_unwanted = False
        slots = self._own.slots.count
        log = self._log = StartLog(self._own.spoken(), after=after, slots=slots)
        self._log_made.set()
        try:
            limit_s = max(1.0, self.start_timeout - TIMEOUT_MARGIN_S)
            async with asyncio.timeout(limit_s) as self._limit:
                return await self._own.start(log, after, notices)
        finally:
            self._starting, self._limit = False, None
            await log.end()

    async def stop(self, now: bool = False) -> None:
        """Power the machines off; keeps disks and volumes. Works with no memory of a start."""
        await self._own.singles.cancel()
        if self._limit and len(self.rules.after) > 1:
            # Machines that wait for others have not begun, so that nothing else would end them.
            self._is_unwanted = True
            self._limit.reschedule(asyncio.get_running_loop().time())
        self._starting = False  # also where a restart had not begun yet
        await self._own.stop(self.rules.own_machines(self.machine), now=now)

    async def poll(self) -> int | None:
        """Return None while the desk starts or runs, else 0.

        Also 0 when its start was interrupted with the hub that began it; the reconciler resumes it.
        """
        if self._starting:
            return None
        status = await self._known_status()
        if status is None:
            return None
        is_cut = status.state is MachineState.STARTING and self._log is None
        if status.state.is_on and not is_cut:
            with apart(f"{self.machine}: its connections to the hub could not be opened"):
                await self._own.open_way()
            with apart(f"{self.machine}: the nodes beside it could not be looked after"):
                await self._own.look_after_nodes()
            return None
        if status.cause in STARTED_AGAIN and self._start_again(status.cause):
            return None
        if is_cut:
            self.log.warning("%s: its start was interrupted with its hub", self.machine)
        elif status.problem:
            self.log.warning("%s: not running: %s", self.machine, status.problem)
        return 0

    async def get_url(self) -> str:
        """Return where the desk's server is, for a hub that was restarted."""
        status = await self._known_status()
        # It may have gone since it was polled: without any address the hub would not start.
        return (status.url if status else "") or str(self.server.url)

    async def _known_status(self) -> MachineStatus | None:
        """Return the desk's state, or None if it cannot be read: it is then assumed to run.

        "Not running" would make the hub forget a machine that may well run, and an exception of
        one of them ends the hub's start (jupyterhub/app.py, `init_spawners`).
        """
        with apart(f"{self.machine}: its state is unknown; assuming that it runs"):
            return await self._own.status()
        return None

    @property
    def place(self) -> int:
        """The position in the queue for a start slot, 1 for the next one; 0 when not waiting."""
        return self._log.place if self._log is not None else 0

    async def progress(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield the events of the start under way; every browser gets all of them."""
        await self._log_made.wait()
        if self._log is not None:
            async for event in self._log.replay():
                yield event

    async def run_post_stop_hook(self) -> Any:
        """Revoke what the hub forgot; runs even when there was no machine left to stop.

        JupyterHub 6.1 revokes `self.api_token`, which does not survive a restart of the hub.
        Nodes may run beside a desk that ended, or be left of a start that failed.
        """
        if not self.api_token:
            revoke_server_tokens(self.db, self.user.orm_user, self.name)
        if self._own.nodes:
            await self._own.singles.cancel()
            await self._own.stop_nodes()
        return await maybe_future(super().run_post_stop_hook())

    # -- single machines, while the others go on -------------------------------------------------

    @property
    def restarting(self) -> frozenset[str]:
        """The labels of machines that are being restarted."""
        return self._own.singles.under_way

    @property
    def failed_restarts(self) -> Mapping[str, Notice]:
        """What trainees are told of the last restarts that failed, by label."""
        return self._own.singles.failed

    def begin_server_restart(self) -> None:
        """Begin to restart the machine that all share; as `OwnMachines.begin_server_restart`."""
        self._own.begin_server_restart()

    @property
    def is_group_on(self) -> bool:
        """Whether further machines of the trainee run beside the desk, and may go on without it."""
        return bool(self._own.nodes) and bool(self.ready)

    def begin_restart(self, label: str, *, renew: bool = False) -> asyncio.Task[SingleEnd]:
        """Begin to restart one of the trainee's machines; returns at once, with its end.

        Args:
            label: "desk", or what the lab calls a node.
            renew: set the machine aside, so that a new one starts with the same volume.

        Raises:
            MachineNotFoundError: the trainee has no machine of this label.
            MachineConflictError: it is being started, or the trainee's machines are off.
        """
        machines = {DESK: self.machine, **self._own.nodes}
        if label not in machines:
            raise MachineNotFoundError(label, f"{self.user.name} has no machine of this name")
        if self._starting or not self.ready:
            what = "it is being started" if self._starting else "none of these machines is on"
            raise MachineConflictError(machines[label], what, public=messages.NOT_ON)
        restart = partial(self._own.restart_node, label, renew=renew)
        if label == DESK:
            restart = partial(self._restart_desk, (), renew=renew, is_on=True)
        end = self._own.singles.begin(machines[label], label, restart)
        self._starting = label == DESK
        return end

    def _start_again(self, cause: EndCause) -> bool:
        """Begin to restart a desk that was rebooted or crashed; tell whether this was begun.

        Its server is still the hub's: trainees find it again where it was.
        """
        if not self.api_token:
            return False  # an earlier hub had it; a start by a person makes another
        if not self._restarts.may_begin():
            self.log.error("%s: not started again: %s once more", self.machine, cause)
            return False
        self.log.warning("%s: restarted after a %s from inside", self.machine, cause)
        notices = (messages.CRASHED,) if cause is EndCause.PANIC else ()
        self._own.singles.begin(self.machine, DESK, partial(self._restart_desk, notices))
        self._starting = True
        return True

    async def _restart_desk(
        self, notices: tuple[Notice, ...], *, renew: bool = False, is_on: bool = False
    ) -> str:
        """Start the desk again, and only it; what is left of one that fails is ended.

        Returns the name under which a renewed machine is kept; empty: it is not.
        """
        try:
            if is_on:
                await self.provider.stop(self.machine)
            kept = await set_aside(self.provider, self.machine) if renew else ""
            await self._bring_up({DESK: ()}, notices)
        except Exception:
            # The next poll tells the hub that nothing runs.
            with apart(f"{self.machine}: what is left of it could not be ended"):
                await self.provider.stop(self.machine, now=True)
            raise
        finally:
            self._starting = False
        return kept
