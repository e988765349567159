"""`vmlab down`: stops the hub, then all machines. Disks and volumes stay."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import typer
from rich.table import Table

from vmlab.cli.common import JsonOption, LabOption, current_settings, err, out, plain, print_json
from vmlab.errors import HostError, LabError
from vmlab.hublock import Holder, running_holder
from vmlab.model import MachineState
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.providers.base import Provider

_HUB_LIMIT_S = 60
_LOOK_AGAIN_S = 0.05
_AT_ONCE = 16
"""Machines that are powered down at a time: each one flushes its disks."""


@dataclass(frozen=True)
class Stopped:
    """What became of one machine. `problem` is empty when it stopped."""

    machine: str
    user: str
    took_s: float
    problem: str = ""


def down(lab: LabOption = None, json: JsonOption = False) -> None:
    """Stop the hub and all machines; keep all data."""
    paths = default_paths()
    holder = running_holder(paths)
    if holder is not None:
        if not json:
            err().print(f"Stopping the hub (pid {holder.hub_pid or holder.pid}) …")
        stop_hub(paths, holder)
    provider = make_provider(current_settings(paths, lab))
    results = asyncio.run(_stop_machines(provider))
    if json:
        machines = [asdict(r) for r in results]
        print_json({"hub_stopped": holder is not None, "machines": machines})
    else:
        out().print("The hub is stopped." if holder else "No hub was running.")
        out().print(_table(results) if results else "No machine was running.")
    if any(r.problem for r in results):
        raise typer.Exit(1)


def stop_hub(paths: Paths, holder: Holder) -> None:
    """Ask the hub to end and wait until it has; no-op if it ended meanwhile.

    Raises:
        HostError: it belongs to somebody else, or does not end.
    """
    deadline = time.monotonic() + _HUB_LIMIT_S
    asked: set[int] = set()
    current: Holder | None = holder
    while current is not None:
        # `vmlab up` stops its hub; if it was killed, the hub itself holds the lock.
        for pid in (current.pid, current.hub_pid):
            if pid and pid not in asked and _ask_to_end(pid):
                asked.add(pid)
                break
        if time.monotonic() > deadline:
            raise HostError(
                f"the hub (pid {current.hub_pid or current.pid}) did not end within "
                f"{_HUB_LIMIT_S} s",
                hint=f"see {paths.state / 'hub.log'}; as a last resort: "
                f"kill -9 {current.hub_pid or current.pid}",
            )
        time.sleep(_LOOK_AGAIN_S)
        current = running_holder(paths)


def _ask_to_end(pid: int) -> bool:
    """Send SIGTERM; tell whether there was such a process."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as e:
        raise HostError(
            f"the hub (pid {pid}) belongs to another user",
            hint="run `vmlab down` as the user who ran `vmlab up`",
        ) from e
    return True


async def _stop_machines(provider: Provider) -> list[Stopped]:
    machines = (await provider.status()).values()
    running = [m for m in machines if m.state in {MachineState.RUNNING, MachineState.STARTING}]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def stop(name: str, user: str) -> Stopped:
        async with slots:
            began = time.monotonic()
            problem = ""
            try:
                await provider.stop(name)
            except LabError as e:
                problem = e.message  # the others are to be stopped all the same
            return Stopped(name, user, round(time.monotonic() - began, 1), problem)

    results = list(await asyncio.gather(*(stop(m.name, m.owner) for m in running)))
    began = time.monotonic()
    try:
        await provider.drain()
    except LabError as e:
        results.append(Stopped("pool", "", round(time.monotonic() - began, 1), e.message))
    return results


def _table(results: Iterable[Stopped]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("machine", "user", "result"):
        table.add_column(title, overflow="fold")
    for result in results:
        text = f"✗ {plain(result.problem).plain}" if result.problem else f"✓ {result.took_s:.1f} s"
        table.add_row(plain(result.machine), plain(result.user), plain(text))
    return table
