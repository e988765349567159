"""The machines of one trainee, as their spawner starts and stops them: desk, nodes, and the server.

What is started follows from the lab and the trainee's number; names follow from user and server
name, so that stopping needs no memory of a start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from vmlab.errors import MachineNotFoundError
from vmlab.groups.facts import Group
from vmlab.groups.numbers import ensure_number
from vmlab.groups.plan import make_group
from vmlab.groups.sharing import has_home_on_server
from vmlab.lab.start_order import SERVER
from vmlab.model import Bandwidth, MachineSpec, MachineStatus, VolumeSpec
from vmlab.names import host_name, machine_name, volume_name
from vmlab.providers.abilities import LeadsToHub
from vmlab.providers.base import KeepsNetworks
from vmlab.spawning.history import find_history
from vmlab.spawning.in_order import start_in_order
from vmlab.spawning.log import StartLog
from vmlab.spawning.nodes import SingleRestarts, end_node, start_alone, start_node
from vmlab.spawning.seeds import OwnSeeds
from vmlab.spawning.settings import SpawnerSettings
from vmlab.spawning.shared_server import ensure_server, require_rest
from vmlab.spawning.slots import StartSlots, make_slots
from vmlab.spawning.starter import Starter, StartLimits
from vmlab.spawning.trouble import check_server
from vmlab.spawning.waiting import wait_for_server
from vmlab_protocol.notices import Language, Notice

STATE_VERSION = 1
_log = logging.getLogger(__name__)


class OwnMachines:
    """What belongs to one server of one user.

    Args:
        spawner: the server's: settings, user, and what the single-user server gets.
    """

    def __init__(self, spawner: SpawnerSettings) -> None:
        self._spawner = spawner
        self._desk = ""  # as an earlier hub kept it: names stay when a user is renamed
        self._volume = ""
        self._seeds = OwnSeeds(spawner)
        self.singles = SingleRestarts()

    # -- names -------------------------------------------------------------------------------------

    @property
    def desk(self) -> str:
        """Name of the desk."""
        return self._desk or machine_name(self._spawner.user.name, self._spawner.name)

    @property
    def volume(self) -> str:
        """Name of the desk's volume."""
        return self._volume or volume_name(self._spawner.user.name, self._spawner.name)

    @property
    def nodes(self) -> Mapping[str, str]:
        """Names of further machines, by label."""
        return self._spawner.rules.node_machines(self.desk)

    def as_state(self) -> dict[str, Any]:
        """Return what the hub keeps of them."""
        return {"version": STATE_VERSION, "machine": self.desk, "volume": self.volume}

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Take over what an earlier hub kept; missing names follow from user and server."""
        if state.get("version", STATE_VERSION) > STATE_VERSION:
            _log.warning("%s: state of a newer VMLab: %s", self.desk, state["version"])
        self._desk, self._volume = str(state.get("machine", "")), str(state.get("volume", ""))

    # -- starting ----------------------------------------------------------------------------------

    @property
    def slots(self) -> StartSlots:
        """The start slots, of which each machine takes one."""
        return make_slots(self._spawner.start_slots)

    async def start(
        self, log: StartLog, after: Mapping[str, tuple[str, ...]], notices: tuple[Notice, ...]
    ) -> str:
        """Start these machines, and return the URL of the desk's server.

        What a failed start has left running is for the caller to stop.

        Args:
            after: their labels, and those that each one waits for; the desk is among them.
            notices: what the desk tells its trainee.

        Raises:
            LabError: one of them cannot be started.
        """
        spawner, group, starter = self._spawner, await self._make_group(), self._starter
        self._desk, self._volume = self.desk, self.volume
        network, provider = spawner.rules.network, spawner.provider
        if network and isinstance(provider, KeepsNetworks):
            await provider.ensure_network(network)
        await self._seeds.prepare(group, after)

        async def start(label: str) -> None:
            member, track = group.get(label), log.tracks[label]
            kind = f"{member.spec.image}/{label} of {len(after)}" if len(after) > 1 else ""
            if member is group.desk:
                await self._start_desk(group, log, notices, kind)
            elif member.is_shared:
                await ensure_server(
                    spawner.rules, starter, spawner.paths.database, self.spoken(), track
                )
            else:
                name = member.spec.name
                seed = await self._seeds.of_node(group, name)
                is_told = await start_node(member, starter, seed, track, kind=kind)
                await self._seeds.follow_choice(group, name, seed if is_told else None)

        await start_in_order(after, start)
        return (await self.status()).url

    async def _start_desk(
        self, group: Group, log: StartLog, notices: tuple[Notice, ...], kind: str
    ) -> None:
        provider, spec = self._spawner.provider, group.desk.spec
        seed = await self._seeds.of_desk(group, notices)

        async def settle() -> None:
            url = (await self.status()).url
            check = partial(check_server, provider, spec.name, log)
            await wait_for_server(url, self._spawner.server.base_url, check)
            await provider.note_serving(spec.name)
            await self._seeds.follow_choice(group, spec.name, seed)

        await self._starter.start(spec, seed, log.desk, settle, kind=kind)

    async def restart_node(self, label: str, *, renew: bool = False) -> str:
        """Stop a node and start it again, or a new one with the same volume.

        Returns:
            The name under which a renewed machine is kept; empty: it is not.

        Raises:
            LabError: it cannot be stopped or started.
        """
        group = await self._make_group()
        member = group.get(label)
        name = member.spec.name
        kept = await end_node(self._spawner.provider, name, renew=renew)
        # Only now is it known whether the machine is a new one, which gets another key.
        await self._seeds.prepare(group, {label})
        seed = await self._seeds.of_node(group, name)
        await start_alone(member, self._starter, seed)
        await self._seeds.follow_choice(group, name, seed)
        return kept

    def begin_server_restart(self) -> None:
        """Begin to restart the machine that all share, whoever's these machines are.

        Raises:
            MachineNotFoundError: the lab has none.
            MachineConflictError: it is being started, or restarted.
        """
        rules = self._spawner.rules
        if rules.server is None:
            raise MachineNotFoundError(SERVER, "the lab has no such machine")
        require_rest(rules.server_machine)
        self.singles.begin(rules.server_machine, SERVER, self._restart_server)

    async def _restart_server(self) -> None:
        spawner = self._spawner
        await ensure_server(
            spawner.rules, self._starter, spawner.paths.database, self.spoken(), restart=True
        )

    # -- stopping and looking ----------------------------------------------------------------------

    async def stop(self, machines: Iterable[str], *, now: bool) -> None:
        """Power all of them off, whatever fails with one; raises what failed first."""
        stops = (self._spawner.provider.stop(machine, now=now) for machine in machines)
        results = await asyncio.gather(*stops, return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        for error in failed[1:]:
            _log.warning("%s", error)
        if failed:
            raise failed[0]

    async def stop_nodes(self) -> None:
        """Stop nodes that run; raises what failed first."""
        nodes = self.nodes.values()
        states = await self._spawner.provider.status(nodes)
        await self.stop([name for name in nodes if states[name].state.is_on], now=False)

    async def look_after_nodes(self) -> None:
        """Begin to restart nodes that were rebooted or crashed.

        Raises:
            LabError: their states are not known.
        """
        if self.nodes:
            states = await self._spawner.provider.status(self.nodes.values())
            self.singles.begin_ended(self.nodes, states, self.restart_node)

    async def status(self) -> MachineStatus:
        """Return the desk's state."""
        return (await self._spawner.provider.status([self.desk]))[self.desk]

    # -- what a start needs ------------------------------------------------------------------------

    def spoken(self) -> Language:
        """Return the language of the trainee."""
        return self._seeds.spoken()

    async def open_way(self) -> None:
        """Have machines reach hub and proxy; no-op where that is not the provider's affair."""
        if isinstance(self._spawner.provider, LeadsToHub):
            application = self._spawner.user.settings["app"].tornado_application
            proxy = self._spawner.paths.proxy_listener
            await self._spawner.provider.open_way(application, proxy)

    async def _make_group(self) -> Group:
        spawner = self._spawner
        rules, user = spawner.rules, spawner.user.name
        number = await ensure_number(spawner.paths.database, rules, user)
        on_server = has_home_on_server(rules, user)
        desk = MachineSpec(
            name=self.desk,
            owner=user,
            image=spawner.image,
            memory_mib=spawner.memory_mib,
            cpus=spawner.cpus,
            internet=spawner.internet,
            allowed=tuple(spawner.internet_names),
            volume=None if on_server else VolumeSpec(self.volume, spawner.volume_mib),
            host_name=host_name(user),
            bandwidth=Bandwidth(spawner.disk_mib_s, spawner.disk_iops, spawner.network_mbit_s),
        )
        return make_group(rules, desk, number)

    @property
    def _starter(self) -> Starter:
        spawner = self._spawner
        limits = StartLimits(spawner.queue_timeout, spawner.machine_timeout)
        history = find_history(
            spawner.paths.database, spawner.provider_name, spawner.provider.features
        )
        return Starter(spawner.provider, self.slots, limits, history, self.open_way)
