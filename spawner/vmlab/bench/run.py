"""A whole run: every number of seats, then the hub's own cost; the report grows step by step."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vmlab.bench.facts import Report, Variant
from vmlab.bench.host_facts import find_facts
from vmlab.bench.hub_cost import measure_hub
from vmlab.bench.peer import ensure_peer
from vmlab.bench.rig import RunOptions, machines_settings
from vmlab.bench.rounds import Say, measure
from vmlab.bench.variants import COMPARED, PROCESSES, is_machine
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import ExaminesHost


@dataclass(frozen=True)
class Task:
    """What a run is to measure."""

    starts: tuple[tuple[int, tuple[Variant, ...]], ...] = ()  # seats and variants
    hub_seats: tuple[int, ...] = ()
    rounds: int | None = None  # None: as many as medians need
    image: str = "desk"
    logs: Path | None = None  # where the hubs' logs are kept

    @property
    def variants(self) -> frozenset[Variant]:
        """All variants of the run."""
        return frozenset(variant for _, variants in self.starts for variant in variants)

    @property
    def has_machines(self) -> bool:
        """Whether it starts virtual machines."""
        return any(is_machine(variant) for variant in self.variants)


def make_options(task: Task, project: Path, paths: Paths, say: Say) -> RunOptions:
    """Return what every hub needs; makes the local process's environment if it is not there yet.

    Raises:
        ConfigError, HostError, ImageError: it cannot be made.
    """
    paths.cache.mkdir(parents=True, exist_ok=True)
    peers = {}
    for variant in sorted({*task.variants} & {*PROCESSES}):
        say(f"the environment of {variant}")
        is_lean = variant is Variant.PROCESS_LEAN
        peers[variant] = ensure_peer(task.image, project, paths.cache, is_lean=is_lean)
    return RunOptions(project, paths.cache, task.image, peers, task.logs)


async def run(task: Task, options: RunOptions, say: Say, keep: Callable[[Report], None]) -> Report:
    """Measure everything; `keep` gets the report after each step, because a long run may be cut.

    Raises:
        HostError: the hub whose own cost is to be measured does not start.
    """
    provider = make_provider(machines_settings(options.cache, options.cache))
    facts = await find_facts(task.image, options.cache / "images", provider)
    facts["left_out"] = {
        str(seats): [variant.value for variant in COMPARED if variant not in variants]
        for seats, variants in task.starts
    }
    accelerator = ""
    if task.has_machines and isinstance(provider, ExaminesHost):
        accelerator = (await provider.engine()).accelerator
    report = Report(accelerator, len(os.sched_getaffinity(0)), facts)
    for seats, variants in task.starts:
        results = await measure(seats, variants, options, say, task.rounds)
        report = replace(report, results=(*report.results, *results))
        keep(report)
    for seats in task.hub_seats:
        say(f"the hub's own cost, {seats} seats")
        report = replace(report, hub=(*report.hub, await measure_hub(seats, options)))
        keep(report)
    return report
