"""VMSpawner: JupyterHub's life cycle on top of a provider of machines, nothing else.

    c.JupyterHub.spawner_class = "vm"
    c.VMSpawner.provider_name = "qemu"

Names follow from user and server name, and `poll`, `stop` and `get_url` ask the provider: a hub
that was killed at any moment finds its machines again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from jupyterhub.spawner import Spawner, SpawnException
from sqlalchemy.exc import SQLAlchemyError
from traitlets import Bool, Enum, Instance, Integer, Unicode, default

from vmlab import sayings
from vmlab.database import open_database
from vmlab.doors import ensure_doors
from vmlab.errors import (
    ConfigError,
    HostError,
    LabError,
    MachineConflictError,
    MachineTimeoutError,
    ProviderError,
)
from vmlab.model import (
    SERVER_PORT,
    MachineSpec,
    MachineState,
    MachineStatus,
    Phase,
    StartStyle,
    VolumeSpec,
)
from vmlab.names import host_name, machine_name, volume_name
from vmlab.paths import Paths, default_paths
from vmlab.progress import make_bilingual_html
from vmlab.providers import ProviderSettings, make_provider
from vmlab.providers.base import Provider
from vmlab.seed import Seed
from vmlab.ssh_keys import check_public_key
from vmlab.starting import StartLog
from vmlab.waiting import wait_for_server

STATE_VERSION = 1

_TIMEOUT_MARGIN_S = 2.0
"""The spawner gives up so long before the hub would, because the hub's message is empty."""

_UNAVAILABLE = 503
_FAILED = 500
_BAD_REQUEST = 400


class VMSpawner(Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """Gives every user a whole virtual machine."""

    provider_name = Unicode(
        "qemu", config=True, help="The engine that runs machines: 'qemu' or 'fake'."
    )
    accelerator = Enum(
        ["auto", "kvm", "tcg"],
        default_value="auto",
        config=True,
        help="How QEMU runs guest code. 'auto' tries KVM and falls back to software emulation.",
    )
    start_style = Enum(
        list(StartStyle),
        default_value=StartStyle.AUTO,
        config=True,
        help="How machines come to life: 'auto' takes one of the pool, else clones the image's "
        "template, else boots; 'clone', 'boot' and 'plain' (a boot without VMLab's shortcuts) are "
        "for comparison.",
    )
    pool = Integer(
        0, min=0, config=True, help="How many machines are kept ready for trainees to come."
    )
    state_dir = Unicode(
        config=True, help="Folder for machines, volumes and VMLab's database. VMLAB_STATE."
    )
    cache_dir = Unicode(config=True, help="Folder for images. VMLAB_CACHE.")
    image = Unicode("desk", config=True, help="Name of the image that machines start from.")
    memory_mib = Integer(512, min=256, config=True, help="Memory of a machine, in MiB.")
    cpus = Integer(1, min=1, max=64, config=True, help="Virtual processors of a machine.")
    internet = Bool(
        False,
        config=True,
        help="Whether machines reach the internet. Host and private networks stay out of reach.",
    )
    volume_mib = Integer(
        1024, min=64, config=True, help="Size of a trainee's volume, in MiB: it is the quota."
    )
    language = Enum(
        ["en", "fr"], default_value="en", config=True, help="Language of messages and machines."
    )
    proxy_address = Unicode(
        "127.0.0.1:8000", config=True, help="Where the proxy listens, as address:port."
    )

    @default("state_dir")
    def _state_dir_default(self) -> str:
        return str(default_paths().state)

    @default("cache_dir")
    def _cache_dir_default(self) -> str:
        return str(default_paths().cache)

    # Inside the machine; the hub's own defaults would bind the guest's loopback.
    @default("ip")
    def _ip_default(self) -> str:
        return "0.0.0.0"  # noqa: S104 - inside the machine

    @default("port")
    def _port_default(self) -> int:
        return SERVER_PORT

    @default("hub_connect_url")
    def _hub_connect_url_default(self) -> str | None:
        # The gateway of the machine's own network (docs/decisions/0001).
        return "http://10.0.2.2:8081" if self.provider_name == "qemu" else None

    _machine: str = ""
    _volume: str = ""
    _starting = False
    _log: StartLog | None = None  # of the start under way, or of the last one

    _log_made = Instance(asyncio.Event, ())

    # -- names and state -----------------------------------------------------------------------

    @property
    def machine(self) -> str:
        """Name of the machine; stays when the user is renamed."""
        return self._machine or machine_name(self.user.name, self.name)

    @property
    def provider(self) -> Provider:
        """The provider; one object for all spawners of this hub."""
        return make_provider(
            ProviderSettings(
                self.provider_name,
                Path(self.state_dir),
                Path(self.cache_dir),
                self.accelerator,
                StartStyle(self.start_style),
                self.pool,
            )
        )

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
        self._starting = True
        log = self._log = StartLog(self.language)
        self._log_made.set()
        try:
            async with asyncio.timeout(max(1.0, self.start_timeout - _TIMEOUT_MARGIN_S)):
                return await self._start(log)
        except TimeoutError as error:
            raise _refusal(
                MachineTimeoutError(
                    self.machine,
                    f"not ready within {self.start_timeout} s; the last phase was {log.phase}",
                    hint=f"vmlab machine console {self.machine}",
                    public=sayings.TOO_LATE,
                )
            ) from error
        except LabError as error:
            raise _refusal(error) from error
        except Exception as error:
            # The root of a start: the hub would show the exception's own words to the trainee.
            self.log.exception("%s: unexpected failure of a start", self.machine)
            unexpected = f"{self.machine}: unexpected {type(error).__name__}: {error}"
            raise _refusal(LabError(unexpected)) from error
        finally:
            self._starting = False
            await log.end()

    async def _start(self, log: StartLog) -> str:
        spec, seed = self._make_spec(), self._make_seed()
        log.medians_s = await self._read_medians()
        await self._open_doors()
        async with aclosing(self.provider.start(spec, seed)) as events:
            async for event in events:
                self.log.info("%s: %s %s", spec.name, event.phase, event.detail)
                await log.enter(event.phase, event.notice)
        status = await self._status()
        await wait_for_server(status.url, self.server.base_url, self._check_alive)
        await log.enter(Phase.READY)
        await self._record_durations(log)
        return status.url

    async def stop(self, now: bool = False) -> None:
        """Power the machine off; keeps disk and volume. Works with no memory of a start."""
        await self.provider.stop(self.machine, now=now)
        self._revoke_tokens()

    async def poll(self) -> int | None:
        """Return None while the machine starts or runs, else 0."""
        if self._starting:
            return None
        try:
            status = await self._status()
        except ProviderError as error:
            # "Not running" would make the hub forget a machine that may well run.
            self.log.error("%s: state unknown, taken for running: %s", self.machine, error)
            return None
        if status.state in {MachineState.STARTING, MachineState.RUNNING}:
            await self._open_doors()
            return None
        if status.problem:
            self.log.warning("%s: not running: %s", self.machine, status.problem)
        return 0

    async def get_url(self) -> str:
        """Return where the machine's server is, for a hub that was restarted."""
        return (await self._status()).url

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
        )

    def _make_seed(self) -> Seed:
        env = {key: str(value) for key, value in self.get_env().items() if value is not None}
        env["VMLAB_LANGUAGE"] = self.language
        key = self.user_options.get("ssh_public_key")
        return Seed(
            env=env,
            # Read from the environment when its class is defined, and no later: without it the
            # login cookie's path is "/" (jupyterhub/services/auth.py, HubAuth.base_url).
            args=(f"--HubOAuth.base_url={env['JUPYTERHUB_SERVICE_PREFIX']}", *self.get_args()),
            authorized_keys=(check_public_key(key),) if key else (),
            language=self.language,
        )

    async def _open_doors(self) -> None:
        if self.provider_name != "qemu":
            return
        hub = urlparse(self.hub.api_url)
        address, _, port = self.proxy_address.rpartition(":")
        targets = {
            "hub.sock": (hub.hostname or "127.0.0.1", hub.port or 8081),
            "proxy.sock": (address or "127.0.0.1", int(port)),
        }
        await ensure_doors(Path(self.state_dir) / "doors", targets)

    async def _status(self) -> MachineStatus:
        name = self.machine
        return (await self.provider.status([name]))[name]

    async def _check_alive(self) -> None:
        status = await self._status()
        if status.state not in {MachineState.STARTING, MachineState.RUNNING}:
            raise MachineConflictError(
                self.machine,
                f"it ended while its server was starting: {status.problem or status.state}",
                hint=f"vmlab machine console {self.machine}",
                public=sayings.WENT_OFF,
            )

    # -- what earlier starts teach ---------------------------------------------------------------

    @property
    def _history_key(self) -> str:
        return f"{self.provider_name}/{self.provider.features.accelerator}/{self.image}"

    async def _read_medians(self) -> dict[str, float]:
        """Return how long phases took before; nothing when that cannot be read."""

        def read() -> dict[str, float]:
            return open_database(self._paths.database).phase_medians(self._history_key)

        try:
            return await asyncio.to_thread(read)
        except (LabError, SQLAlchemyError) as error:
            self.log.warning("earlier starts are not known, so there is no ETA: %s", error)
            return {}

    async def _record_durations(self, log: StartLog) -> None:
        """Remember how long the phases took; a machine that is ready stays ready without that."""

        def record() -> None:
            database = open_database(self._paths.database)
            for phase, seconds in log.durations_s.items():
                database.record_phase(self._history_key, phase, seconds)

        try:
            await asyncio.to_thread(record)
        except (LabError, SQLAlchemyError) as error:
            self.log.warning("this start's durations are not remembered: %s", error)

    @property
    def _paths(self) -> Paths:
        return Paths(state=Path(self.state_dir), cache=Path(self.cache_dir))

    def _revoke_tokens(self) -> None:
        """Delete the server's tokens that a restarted hub no longer knows as its own.

        JupyterHub 6.1 revokes `self.api_token`, which does not survive a restart.
        """
        if self.api_token or self.server is None:
            return
        note = f"Server at {self.server.base_url}"
        for token in list(self.user.orm_user.api_tokens):
            if token.note == note:
                self.db.delete(token)
        self.db.commit()


def _refusal(error: LabError) -> SpawnException:
    """Return the error as the hub shows it: the trainee's sentence, the rest for the log."""
    status = _FAILED
    if isinstance(error, HostError):
        status = _UNAVAILABLE
    elif isinstance(error, ConfigError):
        status = _BAD_REQUEST
    saying = error.public or sayings.FAILED
    refusal = SpawnException(
        saying.en,
        reason=type(error).__name__,
        log_message=str(error),
        message_html=make_bilingual_html(saying),
        status_code=status,
    )
    # The progress stream prints these, or else the message for the log (utils.format_exception).
    refusal.jupyterhub_message = saying.en
    refusal.jupyterhub_html_message = make_bilingual_html(saying)
    return refusal
