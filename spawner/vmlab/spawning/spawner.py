"""VMSpawner: JupyterHub's life cycle on top of a provider of machines, nothing else.

    c.JupyterHub.spawner_class = "vm"
    c.VMSpawner.image = "desk"

Names follow from user and server name, and `poll`, `stop` and `get_url` ask the provider: a hub
that was killed at any moment finds its machines again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from traitlets import Instance

from vmlab import messages
from vmlab.errors import LabError, MachineConflictError, MachineTimeoutError
from vmlab.hub.server_tokens import revoke_server_tokens
from vmlab.model import (
    Bandwidth,
    EndCause,
    MachineSpec,
    MachineState,
    MachineStatus,
    VolumeSpec,
)
from vmlab.names import host_name, machine_name, volume_name
from vmlab.people.account_language import open_languages
from vmlab.providers.abilities import LeadsToHub
from vmlab.providers.base import SpeaksLanguages
from vmlab.seed import Seed
from vmlab.spawning.history import StartHistory, open_history
from vmlab.spawning.log import StartLog
from vmlab.spawning.refusal import as_lab_error, make_refusal
from vmlab.spawning.restarts import Restarts
from vmlab.spawning.settings import TIMEOUT_MARGIN_S, SpawnerSettings
from vmlab.spawning.slots import make_slots
from vmlab.spawning.trouble import check_server
from vmlab.spawning.waiting import wait_for_server
from vmlab.system.background import apart
from vmlab_protocol.notices import Language, Notice
from vmlab_protocol.phases import Phase

STATE_VERSION = 1
_STARTED_AGAIN = frozenset({EndCause.REBOOT, EndCause.PANIC})


class VMSpawner(SpawnerSettings):
    """Gives every user a whole virtual machine."""

    _machine: str = ""
    _volume: str = ""
    _starting = False
    _restarting: asyncio.Task[None] | None = None
    _log: StartLog | None = None  # of the start under way, or of the last one

    _log_made = Instance(asyncio.Event, ())
    _restarts = Instance(Restarts, ())

    # -- names and state -----------------------------------------------------------------------

    @property
    def machine(self) -> str:
        """Name of the machine; stays when the user is renamed."""
        return self._machine or machine_name(self.user.name, self.name)

    def get_state(self) -> dict[str, Any]:
        """Return what the hub keeps; holders of `admin:server_state` read it: no secret."""
        state: dict[str, Any] = super().get_state()
        state["vmlab"] = {
            "version": STATE_VERSION,
            "machine": self.machine,
            "volume": self._volume or volume_name(self.user.name, self.name),
        }
        return state

    def clear_state(self) -> None:
        """Forget the last start; the names stay. The hub calls this before each start."""
        super().clear_state()
        self._log = None
        self._log_made = asyncio.Event()

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what an earlier hub kept."""
        super().load_state(state)
        own = state.get("vmlab") or {}
        if own.get("version", STATE_VERSION) > STATE_VERSION:
            self.log.warning("%s: state of a newer VMLab: %s", self.machine, own["version"])
        self._machine = str(own.get("machine", ""))
        self._volume = str(own.get("volume", ""))

    # -- the life cycle --------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the machine and return its server's URL once the server answers.

        Raises:
            SpawnException: it could not be started; carries a message for the trainee only.
        """
        self._restarts.clear()
        try:
            return await self._bring_up()
        except TimeoutError as error:
            assert self._log is not None  # noqa: S101 - made before anything could take long
            log = self._log
            raise make_refusal(self._timeout_error(log)) from error
        except LabError as error:
            raise make_refusal(error) from error
        except Exception as error:
            # The root of a start: the hub would show the exception's own words to the trainee.
            self.log.exception("%s: unexpected failure of a start", self.machine)
            raise make_refusal(as_lab_error(self.machine, error)) from error

    async def _bring_up(self, notices: tuple[Notice, ...] = ()) -> str:
        """Start the machine; return its server's URL."""
        self._starting = True
        log = self._log = StartLog(self._spoken())
        self._log_made.set()
        try:
            async with asyncio.timeout(max(1.0, self.start_timeout - TIMEOUT_MARGIN_S)):
                return await self._start(log, notices)
        finally:
            self._starting = False
            await log.end()

    async def _start(self, log: StartLog, notices: tuple[Notice, ...]) -> str:
        spec, seed = self._make_spec(), replace(self._make_seed(), notices=notices)
        log.medians_s = await self._history().medians_s()
        way = ""
        slots = make_slots(self.start_slots)

        async def tell_place(place: int) -> None:
            # The server's own start is outside of the slot.
            start_s = sum(s for phase, s in log.medians_s.items() if phase != Phase.SERVER)
            await log.wait_in_queue(place, slots.expected_wait_s(place, start_s))

        async with (
            slots.hold(tell_place, self.queue_timeout) as give_back,
            asyncio.timeout(self.machine_timeout),
        ):
            await self._open_way()
            async with aclosing(self.provider.start(spec, seed)) as events:
                async for event in events:
                    level = logging.INFO if event.detail else logging.DEBUG
                    self.log.log(level, "%s: %s %s", spec.name, event.phase, event.detail)
                    if event.way and event.way != way:
                        way = event.way
                        log.medians_s = await self._history(way).medians_s()
                    await log.enter(event.phase, event.notice)
            give_back()
            url = (await self._status()).url
            await wait_for_server(url, self.server.base_url, partial(self._check_server, log))
            await self.provider.note_serving(spec.name)
            await self._follow_choice(spec.name, seed.language)
        await log.enter(Phase.READY)
        for history in {self._history(), self._history(way)}:
            await history.record(log.durations_s)
        return url

    def _timeout_error(self, log: StartLog) -> LabError:
        if log.phase is Phase.QUEUE:
            return MachineTimeoutError(
                self.machine,
                "waited in the queue for too long",
                hint="see [provider] start_slots in docs/operator.md",
                public=messages.LONG_QUEUE,
            )
        return MachineTimeoutError(
            self.machine,
            f"not ready in time; the last phase was {log.phase}",
            hint=f"vmlab machine console {self.machine}",
            public=messages.TOO_LATE,
        )

    async def stop(self, now: bool = False) -> None:
        """Power the machine off; keeps disk and volume. Works with no memory of a start."""
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait({self._restarting})
            self._starting, self._restarting = False, None  # also where it had not begun yet
        await self.provider.stop(self.machine, now=now)

    async def poll(self) -> int | None:
        """Return None while the machine starts or runs, else 0.

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
                await self._open_way()
            return None
        if status.cause in _STARTED_AGAIN and self._start_again(status.cause):
            return None
        if is_cut:
            self.log.warning("%s: its start was interrupted with its hub", self.machine)
        elif status.problem:
            self.log.warning("%s: not running: %s", self.machine, status.problem)
        return 0

    def _start_again(self, cause: EndCause) -> bool:
        """Begin to restart a machine that was rebooted or crashed; tell whether this was begun.

        Its server is still the hub's: trainees find it again where it was.
        """
        if not self.api_token:
            return False  # an earlier hub had it; a start by a person makes another
        if not self._restarts.may_begin():
            self.log.error("%s: not started again: %s once more", self.machine, cause)
            return False
        self.log.warning("%s: restarted after a %s from inside", self.machine, cause)
        self._starting = True
        self._restarting = asyncio.create_task(self._restart(cause))
        return True

    async def _restart(self, cause: EndCause) -> None:
        try:
            await self._bring_up((messages.CRASHED,) if cause is EndCause.PANIC else ())
        except Exception as error:
            # The root of a task. The next poll tells the hub that nothing runs.
            level = logging.WARNING if isinstance(error, LabError | TimeoutError) else logging.ERROR
            self.log.log(level, "%s: could not be started again: %s", self.machine, error,
                         exc_info=level == logging.ERROR)  # fmt: skip
            with apart(f"{self.machine}: what is left of it could not be ended"):
                await self.provider.stop(self.machine, now=True)
        finally:
            self._restarting = None

    async def get_url(self) -> str:
        """Return where the machine's server is, for a hub that was restarted."""
        status = await self._known_status()
        # It may have gone since it was polled: without any address the hub would not start.
        return (status.url if status else "") or str(self.server.url)

    async def _known_status(self) -> MachineStatus | None:
        """Return the machine's state, or None if it cannot be read: it is then assumed to run.

        "Not running" would make the hub forget a machine that may well run, and an exception of
        one of them ends the hub's start (jupyterhub/app.py, `init_spawners`).
        """
        with apart(f"{self.machine}: its state is unknown; assuming that it runs"):
            return await self._status()
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

    # -- what a start needs ----------------------------------------------------------------------

    def _make_spec(self) -> MachineSpec:
        self._machine = self.machine
        self._volume = self._volume or volume_name(self.user.name, self.name)
        return MachineSpec(
            name=self._machine,
            owner=self.user.name,
            image=self.image,
            memory_mib=self.memory_mib,
            cpus=self.cpus,
            internet=self.internet,
            volume=VolumeSpec(self._volume, self.volume_mib),
            host_name=host_name(self.user.name),
            bandwidth=Bandwidth(self.disk_mib_s, self.disk_iops, self.network_mbit_s),
        )

    def _make_seed(self) -> Seed:
        env = {key: str(value) for key, value in self.get_env().items() if value is not None}
        return Seed(
            env=env,
            # Read from the environment when its class is defined, and no later: without it the
            # login cookie's path is "/" (jupyterhub/services/auth.py, HubAuth.base_url).
            args=(f"--HubOAuth.base_url={env['JUPYTERHUB_SERVICE_PREFIX']}", *self.get_args()),
            language=self._spoken(),
        )

    def _spoken(self) -> Language:
        return open_languages(self.paths.database).of(self.user.name) or Language(self.language)

    async def _follow_choice(self, machine: str, seeded: str) -> None:
        """Tell the machine what its trainee chose after its seed was made."""
        language, provider = self._spoken(), self.provider
        if language != seeded and isinstance(provider, SpeaksLanguages):
            with apart(f"{machine}: it speaks {seeded} until its next start"):
                await provider.set_language(machine, language)

    async def _open_way(self) -> None:
        if not isinstance(self.provider, LeadsToHub):
            return
        application = self.user.settings["app"].tornado_application
        await self.provider.open_way(application, self.paths.proxy_listener)

    async def _status(self) -> MachineStatus:
        return (await self.provider.status([self.machine]))[self.machine]

    async def _check_alive(self) -> None:
        status = await self._status()
        if not status.state.is_on:
            raise MachineConflictError(
                self.machine,
                f"it ended while its server was starting: {status.problem or status.state}",
                hint=f"vmlab machine console {self.machine}",
                public=messages.WENT_OFF,
            )

    async def _check_server(self, log: StartLog) -> None:
        await self._check_alive()
        await check_server(self.provider, self.machine, log)

    def _history(self, way: str = "") -> StartHistory:
        """The durations of earlier starts of this image that were made in the same way."""
        features = self.provider.features
        key = f"{self.provider_name}/{features.accelerator}/{self.image}/{features.style}/{way}"
        return open_history(self.paths.database, key)

    def run_post_stop_hook(self) -> Any:
        """Revoke what the hub forgot; runs even when there was no machine left to stop.

        JupyterHub 6.1 revokes `self.api_token`, which does not survive a restart of the hub.
        """
        if not self.api_token:
            revoke_server_tokens(self.db, self.user.orm_user, self.name)
        return super().run_post_stop_hook()
