"""One variant's hub, proxy and state folder, for as long as it is measured.

async with open_rig(plan, lab_settings) as rig:
await rig.client.start_server("ada")
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from vmlab.bench import usage
from vmlab.bench.facts import Variant
from vmlab.bench.variants import LIMIT_S, HubPlan, is_machine, make_config, make_lab, needs_template
from vmlab.errors import HostError
from vmlab.groups.rules import GroupRules, group_rules
from vmlab.hub.access import HubAccess
from vmlab.hub.client import HubClient
from vmlab.hub.lock import HubLock
from vmlab.hub.loop_watch import VARIABLE
from vmlab.hub.process import HubProcess
from vmlab.lab.lab import parse_lab
from vmlab.lab.provider_options import default_provider
from vmlab.names import machine_name, volume_name
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import CanBeMeasured, KeepsMachinesReady, PreparesStarts
from vmlab.providers.base import KeepsNetworks, Provider
from vmlab.providers.facts import Traces
from vmlab.providers.settings import ProviderSettings, spare_machine
from vmlab.system.host import find_free_port

_log = logging.getLogger(__name__)
_END_LIMIT_S = 10.0
_QUIET_LIMIT_S = 600.0
_FILL_LIMIT_S = 120.0  # for each machine of the pool
_POLL_S = 0.5


@dataclass(frozen=True)
class RunOptions:
    """What is to be measured, the same for every variant."""

    project: Path
    cache: Path
    image: str
    peers: Mapping[Variant, Path] = field(default_factory=dict)  # local processes' environments
    logs: Path | None = None  # where the hubs' logs are kept


class Rig:
    """A running hub, and what belongs to the machines that it starts."""

    def __init__(self, plan: HubPlan, hub: HubProcess, client: HubClient) -> None:
        self.plan = plan
        self.hub = hub
        self.client = client
        self.paths = Paths(plan.folder, plan.cache)

    @property
    def provider(self) -> Provider | None:
        """The provider of its machines; None when there are none."""
        if not is_machine(self.plan.variant):
            return None
        return make_provider(_settings(self.plan))

    @property
    def _rules(self) -> GroupRules:
        """Which machines each user has."""
        return group_rules(parse_lab(make_lab(self.plan), self.paths.state / "lab.toml"))

    def traces(self, user: str) -> Traces | None:
        """Return where a user's machine shows on this host; None for none that can be measured."""
        provider = self.provider
        if not isinstance(provider, CanBeMeasured):
            return None
        return provider.traces(machine_name(user))

    def volumes(self, user: str) -> list[Path]:
        """Return the files of a user's volume."""
        return list(self.paths.volumes.glob(f"{volume_name(user)}*"))

    def disk_mib(self, user: str) -> float:
        """Return what a user's machine takes on the disk, its volume included."""
        traces = self.traces(user)
        return usage.disk_mib([*traces.files, *self.volumes(user)]) if traces else 0.0

    def processes(self, model: dict[str, Any], user: str) -> list[psutil.Process]:
        """Return the processes that a user's server consists of; none for the fake provider."""
        if traces := self.traces(user):
            return usage.find_processes(traces.held)
        pid = model.get("state", {}).get("pid")
        return usage.tree(int(pid)) if pid else []

    def origin(self, user: str) -> str:
        """Return how a user's machine was started, as its record tells; empty for no machine."""
        traces = self.traces(user)
        return traces.way if traces else ""

    async def wait_until_quiet(self) -> None:
        """Return when nothing is prepared in the background: that would disturb whose turn it is.

        Raises:
            HostError: the pool is not full in time.
        """
        provider = self.provider
        if self.plan.variant is not Variant.POOL or not isinstance(provider, KeepsMachinesReady):
            return
        seats = self.plan.seats
        limit_s = _QUIET_LIMIT_S + _FILL_LIMIT_S * seats
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    state = await asyncio.to_thread(provider.pool_state)
                    if state.ready >= seats and not state.preparing:
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise HostError(
                f"the pool holds {state.ready} machines of {seats} after {limit_s:.0f} s"
            ) from error

    def find_cause(self, user: str) -> str:
        """Return what the hub's log says of a start that failed; a trainee is told less."""
        with self.hub.log.open(errors="replace") as log:
            lines = [line for line in log if f"{user}'s server : " in line]
        return lines[-1].partition("'s server : ")[2] if lines else ""

    @property
    def loop_watch(self) -> Path:
        """Where a hub writes how long its event loop was blocked."""
        return _loop_watch(self.plan)

    async def remove(self, users: Iterable[str]) -> None:
        """Remove servers, machines, volumes and accounts, so that the next start is a first one."""
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(self._remove(user))

    async def _remove(self, user: str) -> None:
        provider, machines = self.provider, self._rules.own_machines(machine_name(user))
        if provider is not None:
            for name in machines:
                # Forced off, not shut down: nobody has worked there, and a guest takes its time.
                await provider.stop(name, now=True)
        await self.client.stop_server(user, limit_s=LIMIT_S)
        if provider is not None:
            for name in machines:
                await provider.delete(name)
        for path in self.volumes(user):
            path.unlink()
        await self.client.delete_user(user)


@contextlib.asynccontextmanager
async def open_rig(
    variant: Variant, seats: int, options: RunOptions, *, lab_lines: str = ""
) -> AsyncIterator[Rig]:
    """Start a variant's hub and proxy; leave no process, machine, network or file behind.

    Args:
        lab_lines: sections that its lab.toml has besides: further machines, for instance.

    Raises:
        HostError: the hub does not start; carries the end of its log.
    """
    with _scratch() as folder:
        plan = HubPlan(
            variant=variant,
            seats=seats,
            folder=folder,
            cache=options.cache,
            project=options.project,
            image=options.image,
            port=find_free_port(),
            token=secrets.token_hex(24),
            peer=options.peers.get(variant),
            lab_lines=lab_lines,
        )
        try:
            async with _run_hub(plan) as rig:
                yield rig
        finally:
            try:
                await _end_machines(plan)
            finally:
                _keep_log(folder / "hub.log", options, f"{variant}-{seats}.log")


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever failed."""
    # Short: unix sockets are below it. Open to pass: machines run as other users.
    folder = Path(tempfile.mkdtemp(prefix="vmlab-bench-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.asynccontextmanager
async def _run_hub(plan: HubPlan) -> AsyncIterator[Rig]:
    folder = plan.folder
    (folder / "lab.toml").write_text(make_lab(plan))
    config = folder / "jupyterhub_config.py"
    config.touch(mode=0o600)
    config.write_text(make_config(plan))
    command = [sys.executable, "-m", "jupyterhub", "-f", os.fspath(config)]
    paths = Paths(folder, plan.cache)
    url = f"http://127.0.0.1:{plan.port}/"
    environment = {VARIABLE: os.fspath(_loop_watch(plan))} if plan.variant is Variant.FAKE else {}
    if needs_template(plan.variant):
        lab = parse_lab(make_lab(plan), folder / "lab.toml")
        provider = make_provider(_settings(plan))
        if isinstance(provider, PreparesStarts):
            await provider.prepare_starts(spare_machine(lab), _log.info)
    with HubLock(paths) as lock, HubProcess(command, environment, paths, lock) as hub:
        await hub.until_up(url)
        async with HubClient(HubAccess(url, plan.token), limit_s=LIMIT_S) as client:
            yield Rig(plan, hub, client)


def _loop_watch(plan: HubPlan) -> Path:
    return plan.folder / "loop.jsonl"


def _settings(plan: HubPlan) -> ProviderSettings:
    return machines_settings(plan.folder, plan.cache)


def machines_settings(state: Path, cache: Path) -> ProviderSettings:
    """Return what machines are measured with: what a lab has that says nothing."""
    return ProviderSettings(default_provider(), state, cache)


async def _end_machines(plan: HubPlan) -> None:
    """Delete all machines, those of a pool included; end whatever still works in the folder."""
    try:
        if is_machine(plan.variant):
            provider = make_provider(_settings(plan))
            for name in await provider.status():
                await provider.delete(name)
            await provider.drain()
            if isinstance(provider, KeepsNetworks):
                for network in await provider.networks():
                    await provider.remove_network(network.name)
    finally:
        for process in usage.find_stragglers(plan.folder):
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(_END_LIMIT_S)


def _keep_log(log: Path, options: RunOptions, name: str) -> None:
    if options.logs is not None and log.exists():
        options.logs.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, options.logs / name)
