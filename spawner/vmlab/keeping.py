"""What the hub does to keep machines in order as long as it runs: reconcile, stop idle ones, prune.

Begun by the hub's configuration, within the hub's own process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from vmlab.errors import LabError
from vmlab.hub_client import HubClient
from vmlab.idle import IdleRules
from vmlab.idle.driver import IdleWatch
from vmlab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers import ProviderSettings, make_provider
from vmlab.providers.base import KeepsOldDisks, Provider
from vmlab.reconcile.driver import Reconciler
from vmlab.reconcile.hub_side import HubSide
from vmlab.reconcile.volume_holders import RegistryHolders
from vmlab.volumes.store import store_of

_PRUNE_PERIOD_S = 3600.0
_DAY_S = 86400.0

_log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references


@dataclass(frozen=True)
class OrderRules:
    """What is put in order, and when."""

    orphan_grace_s: float
    idle: IdleRules
    keep_old_days: int


def order_rules(lab: Lab) -> OrderRules:
    """Return what the hub puts in order, and when."""
    return OrderRules(
        orphan_grace_s=lab.provider.orphan_grace_s,
        idle=IdleRules(lab.idle.stop_after_s, lab.idle.warn_s),
        keep_old_days=lab.machine.keep_old_days,
    )


def keep_order(client: HubClient, settings: ProviderSettings, rules: OrderRules) -> None:
    """Keep machines in order as long as this hub runs; no-op where no event loop runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # `jupyterhub` reads its configuration for other commands too
        return
    task = loop.create_task(_keep_order(client, settings, rules), name="keep-order")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _keep_order(client: HubClient, settings: ProviderSettings, rules: OrderRules) -> None:
    hub = HubSide(client)
    try:
        await hub.wait_until_up()
    except LabError as error:
        _log.error("machines are not kept in order: %s", error)
        return
    provider = make_provider(settings)
    store = store_of(provider, Paths(state=settings.state, cache=settings.cache))
    jobs: list[Coroutine[Any, Any, None]] = [
        Reconciler(
            hub, provider, grace_s=rules.orphan_grace_s, volumes=RegistryHolders(store)
        ).run(),
        _prune(provider, rules.keep_old_days),
    ]
    if rules.idle.is_on:
        jobs.append(IdleWatch(hub, client, provider, rules.idle, settings.state).run())
    await asyncio.gather(*jobs)


async def _prune(provider: Provider, keep_days: int) -> None:
    """Remove root disks of older images when their time is over; look every hour."""
    while isinstance(provider, KeepsOldDisks):
        try:
            for disk in await provider.prune_old_disks(time.time() - keep_days * _DAY_S):
                _log.info(
                    "%s: removed the disk of image %s (%d MiB), replaced more than %d days ago",
                    disk.machine, disk.image_version, disk.size_mib, keep_days,
                )  # fmt: skip
        except LabError as error:
            _log.warning("old disks: %s", error)
        await asyncio.sleep(_PRUNE_PERIOD_S)
