"""The hub's jobs that look after machines: reconcile, stop idle ones, prune.

Begun by the hub's configuration, within the hub's own process (`vmlab.system.background`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from vmlab.groups.rules import GroupRules, group_rules
from vmlab.hub.client import HubClient
from vmlab.lab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import HasJobs
from vmlab.providers.base import KeepsOldDisks
from vmlab.providers.settings import ProviderSettings
from vmlab.spawning.slots import make_slots
from vmlab.spawning.starter import StartLimits
from vmlab.system.background import Job, begin
from vmlab.upkeep.event_server import LOOK_S, EventServer, hub_starter
from vmlab.upkeep.idle import IdleRules
from vmlab.upkeep.idle.driver import IdleWatch
from vmlab.upkeep.reconcile.driver import PERIOD_S, Reconciler
from vmlab.upkeep.reconcile.hub_side import HubSide
from vmlab.upkeep.reconcile.volume_holders import RegistryHolders
from vmlab.volumes.store import store_of

HOUR_S = 3600.0
_DAY_S = 86400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OrderRules:
    """What is put in order, and when."""

    orphan_grace_s: float
    idle: IdleRules
    keep_old_days: int
    group: GroupRules
    start_slots: int
    limits: StartLimits  # of starts that the hub itself begins
    language: str


def order_rules(lab: Lab, limits: StartLimits) -> OrderRules:
    """Return what the hub puts in order, and when.

    Args:
        limits: of starts that the hub itself begins.
    """
    return OrderRules(
        orphan_grace_s=lab.provider.orphan_grace_s,
        idle=IdleRules(lab.idle.stop_after_s, lab.idle.warn_s),
        keep_old_days=lab.machine.keep_old_days,
        group=group_rules(lab),
        start_slots=lab.provider.start_slots,
        limits=limits,
        language=lab.language.value,
    )


def start_reconciling(
    client: HubClient,
    settings: ProviderSettings,
    rules: OrderRules,
    busy: Callable[[], Awaitable[Collection[str]]] | None = None,
) -> None:
    """Keep machines in order as long as this hub runs; no-op where no event loop runs.

    Args:
        client: of the hub's API.
        settings: the provider's.
        rules: what is put in order, and when.
        busy: names machines that somebody uses whatever their agents say.
    """
    hub = HubSide(client, rules.group)
    provider = make_provider(settings)
    paths = Paths(state=settings.state, cache=settings.cache)
    store = store_of(provider, paths)
    shared = None
    if rules.group.server:
        slots = make_slots(rules.start_slots)
        starter = hub_starter(provider, settings.name, paths, slots, rules.limits)
        shared = EventServer(rules.group, starter, paths.database, rules.language, hub.seats)
    reconciler = Reconciler(
        hub,
        provider,
        grace_s=rules.orphan_grace_s,
        volumes=RegistryHolders(store),
        shared=shared,
    )
    jobs = [_when_up("reconcile", hub, reconciler.look, min(PERIOD_S, rules.orphan_grace_s))]
    if shared:
        jobs.append(_when_up("event server", hub, shared.look, LOOK_S))
    if isinstance(provider, KeepsOldDisks):
        jobs.append(Job("old disks", partial(_prune, provider, rules.keep_old_days), HOUR_S))
    if isinstance(provider, HasJobs):
        jobs += provider.jobs()
    if rules.idle.is_on:
        watch = IdleWatch(hub, client, provider, rules.idle, settings.state, busy=busy)
        jobs.append(_when_up("idle machines", hub, watch.look, watch.period_s))
    begin(settings.state, *jobs)


def _when_up(
    name: str, hub: HubSide, look: Callable[[], Awaitable[object]], period_s: float
) -> Job:
    """Return a job that looks at the hub's servers: it starts once the hub knows them."""

    async def make_round() -> None:
        await hub.wait_until_up()
        await look()

    return Job(name, make_round, period_s, retry_s=period_s)


async def _prune(provider: KeepsOldDisks, keep_days: int) -> None:
    """Remove root disks of older images when their time is over."""
    for disk in await provider.prune_old_disks(time.time() - keep_days * _DAY_S):
        _log.info(
            "%s: removed the disk of image %s (%d MiB), replaced more than %d days ago",
            disk.machine, disk.image_version, disk.size_mib, keep_days,
        )  # fmt: skip
