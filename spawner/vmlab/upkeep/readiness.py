"""Machines made ready ahead, in the hub's process: what jupyterhub_config.py begins."""

from __future__ import annotations

from functools import partial

from vmlab.lab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings, spare_machines
from vmlab.system.background import Job, begin

_PERIOD_S = 1.0
"""A round itself waits until there may be something to do."""

_LONGEST_S = 3600.0
"""It also waits for an idle host, and then boots a template."""


def start_preparing(lab: Lab, paths: Paths) -> None:
    """Have the provider keep template and pool ready as long as this hub runs.

    No-op where no event loop runs.
    """
    provider = make_provider(provider_settings(lab, paths))
    desk, *others = spare_machines(lab)
    keep_ready = partial(provider.upkeep, desk)
    jobs = [Job("template and pool", keep_ready, _PERIOD_S, longest_s=_LONGEST_S)]
    if others:

        async def prepare_others() -> None:
            for spec in others:
                await provider.upkeep(spec)

        longest_s = _LONGEST_S * len(others)
        jobs.append(Job("other templates", prepare_others, _PERIOD_S, longest_s=longest_s))
    begin(paths.state, *jobs)
