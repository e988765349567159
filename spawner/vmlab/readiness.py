"""Machines made ready ahead, in the hub's process: what jupyterhub_config.py begins."""

from __future__ import annotations

import asyncio

from vmlab.hub import provider_settings, spare_machine
from vmlab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers import make_provider

_tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references


def keep_ready(lab: Lab, paths: Paths) -> None:
    """Have the provider keep template and pool ready as long as this hub runs.

    No-op where no event loop runs: `jupyterhub` reads its configuration for other commands too.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    provider = make_provider(provider_settings(lab, paths))
    task = loop.create_task(provider.upkeep(spare_machine(lab)), name="upkeep")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
