"""What a hub's configuration can set of VMSpawner, and the provider that follows from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import Bool, Dict, Enum, Integer, Unicode, default

from vmlab.lab.provider_options import default_provider
from vmlab.model import Allowance, Bandwidth
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import LeadsToHub
from vmlab.providers.base import Provider
from vmlab.providers.settings import ProviderSettings, as_options
from vmlab_protocol.machine import SERVER_PORT
from vmlab_protocol.notices import Language

TIMEOUT_MARGIN_S = 2.0
"""How much earlier than the hub the spawner gives up, because the hub's message is empty."""


class SpawnerSettings(Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """The options of VMSpawner."""

    provider_name = Unicode(
        config=True, help="The engine that runs machines: the name of an installed provider."
    )
    provider_options = Dict(
        config=True,
        help="Options of that provider, which checks them itself: see its class of options.",
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
    disk_mib_s = Integer(
        Bandwidth.disk_mib_s,
        min=0,
        config=True,
        help="What all disks of a machine together may move, in MiB a second. 0: no limit.",
    )
    disk_iops = Integer(
        Bandwidth.disk_iops, min=0, config=True, help="The same in requests a second."
    )
    network_mbit_s = Integer(
        0, min=0, config=True, help="A machine's network speed each way, in Mbit/s. 0: no limit."
    )
    volume_mib = Integer(
        1024, min=64, config=True, help="Size of a trainee's volume, in MiB: it is the quota."
    )
    total_mib = Integer(
        0,
        min=0,
        config=True,
        help="How much of the host's disk one trainee may take in all, in MiB: volume with "
        "snapshots, system disk, older system disks, machines set aside, copies. 0: the size of "
        "the system disk plus four times that of a volume.",
    )
    language = Enum(
        list(Language),
        default_value=Language.EN,
        config=True,
        help="Language of messages and machines for trainees who never chose one.",
    )
    start_slots = Integer(
        0,
        min=0,
        config=True,
        help="How many machines start at once; the others wait in the queue. 0: as many as "
        "there are processors.",
    )
    queue_timeout = Integer(
        3600, min=1, config=True, help="How long a start may wait in the queue, in seconds."
    )
    machine_timeout = Integer(
        1800,
        min=1,
        config=True,
        help="How long a start may take from its turn until the server answers, in seconds. "
        "`start_timeout` is the hub's limit for both, waiting and starting.",
    )

    @default("provider_name")
    def _provider_name_default(self) -> str:
        return default_provider()

    @default("state_dir")
    def _state_dir_default(self) -> str:
        return str(default_paths().state)

    @default("cache_dir")
    def _cache_dir_default(self) -> str:
        return str(default_paths().cache)

    @default("start_timeout")
    def _start_timeout_default(self) -> int:
        # The hub's clock runs while a start waits in the queue, and cannot be stopped.
        return int(self.queue_timeout + self.machine_timeout + TIMEOUT_MARGIN_S)

    # Inside the machine; the hub's own defaults would bind the guest's loopback.
    @default("ip")
    def _ip_default(self) -> str:
        return "0.0.0.0"  # noqa: S104 - inside the machine

    @default("port")
    def _port_default(self) -> int:
        return SERVER_PORT

    @default("options_from_form")
    def _options_from_form_default(self) -> Callable[[Any], dict[str, Any]]:
        # Options that a browser sends with a start are ignored, above all those in a link
        # (vmlab.people.start_calls). An empty answer replaces what an older hub has kept.
        return lambda _form: {}

    @default("hub_connect_url")
    def _hub_connect_url_default(self) -> str | None:
        return self.provider.hub_url if isinstance(self.provider, LeadsToHub) else None

    @property
    def provider(self) -> Provider:
        """The provider; one object for all spawners of this hub."""
        return make_provider(
            ProviderSettings(
                self.provider_name,
                Path(self.state_dir),
                Path(self.cache_dir),
                as_options(self.provider_options),
                Allowance(self.volume_mib, self.total_mib),
            )
        )

    @property
    def paths(self) -> Paths:
        """The lab's folders."""
        return Paths(state=Path(self.state_dir), cache=Path(self.cache_dir))

    # JupyterHub refuses a class that does not say how these are done.

    @abstractmethod
    async def start(self) -> str:
        """Start what belongs to the server."""

    @abstractmethod
    async def stop(self, now: bool = False) -> None:
        """Stop it."""

    @abstractmethod
    async def poll(self) -> int | None:
        """Tell whether it runs."""
