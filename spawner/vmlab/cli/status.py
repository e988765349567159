"""`vmlab status`: whether the hub runs, the state of its jobs, and of the machines."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict

from vmlab.cli.common import (
    JsonOption,
    LabOption,
    current_settings,
    duration,
    err,
    out,
    plain,
    print_json,
)
from vmlab.cli.jobs import job_lines, jobs_json
from vmlab.cli.machine import machine_json, print_machines
from vmlab.errors import HostError
from vmlab.hub.lock import running_holder
from vmlab.model import MachineState
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.system.job_states import JobsReport, read_jobs

_JOB_CHARS = 600


def status(lab: LabOption = None, json: JsonOption = False) -> None:
    """Show whether the hub runs, how its jobs are doing, and the state of all machines."""
    paths = default_paths()
    holder = running_holder(paths)
    machines = asyncio.run(make_provider(current_settings(paths, lab)).status())
    counts = Counter(m.state for m in machines.values())
    report, now = _find_report(paths), time.time()
    hub_pid = holder.hub_pid if holder else 0
    if json:
        print_json(
            {
                "hub": asdict(holder) if holder else None,
                "state": str(paths.state),
                "jobs": jobs_json(report, now, hub_pid),
                "counts": {state.value: counts[state] for state in MachineState},
                "machines": [machine_json(m) for m in machines.values()],
            }
        )
        return
    console = out()
    if holder:
        age = duration(now - holder.started)
        console.print(f"● hub: running for {age} at {holder.url} (pid {holder.hub_pid})")
        console.print(plain(f"  lab: {holder.lab}"))
    else:
        console.print("○ hub: not running (`vmlab up` starts it)")
    console.print(plain(f"  state: {paths.state}"))
    for line in job_lines(report, now, hub_pid):
        console.print(plain(f"  {line}", most=_JOB_CHARS))
    words = ", ".join(f"{counts[s]} {s.value}" for s in MachineState if counts[s])
    console.print(f"  machines: {words or 'none yet'}")
    if machines:
        print_machines(machines)


def _find_report(paths: Paths) -> JobsReport | None:
    try:
        return read_jobs(paths.state)
    except HostError as error:
        err().print(plain(f"jobs: {error}"))
        return None
