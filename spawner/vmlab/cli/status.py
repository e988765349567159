"""`vmlab status`: does the hub run, and what do the machines do."""

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
    out,
    plain,
    print_json,
)
from vmlab.cli.machine import machine_json, machine_table
from vmlab.hublock import running_holder
from vmlab.model import MachineState
from vmlab.paths import default_paths
from vmlab.providers import make_provider


def status(lab: LabOption = None, json: JsonOption = False) -> None:
    """Tell whether the hub runs, and the state of all machines."""
    paths = default_paths()
    holder = running_holder(paths)
    machines = asyncio.run(make_provider(current_settings(paths, lab)).status())
    counts = Counter(m.state for m in machines.values())
    if json:
        print_json(
            {
                "hub": asdict(holder) if holder else None,
                "state": str(paths.state),
                "counts": {state.value: counts[state] for state in MachineState},
                "machines": [machine_json(m) for m in machines.values()],
            }
        )
        return
    console = out()
    if holder:
        age = duration(time.time() - holder.started)
        console.print(f"● hub: running for {age} at {holder.url} (pid {holder.hub_pid})")
        console.print(plain(f"  lab: {holder.lab}"))
    else:
        console.print("○ hub: not running (`vmlab up` starts it)")
    console.print(plain(f"  state: {paths.state}"))
    words = ", ".join(f"{counts[s]} {s.value}" for s in MachineState if counts[s])
    console.print(f"  machines: {words or 'none yet'}")
    if machines:
        console.print(machine_table(machines))
