"""`vmlab down`: stops the hub, then all machines. Disks and volumes stay."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from vmlab.cli.common import (
    JsonOption,
    LabOption,
    current_settings,
    err,
    make_table,
    out,
    plain,
    print_json,
    print_table,
)
from vmlab.errors import HostError
from vmlab.hub.lock import Holder, running_holder
from vmlab.paths import Paths, default_paths
from vmlab.providers import make_provider
from vmlab.upkeep.stop_all import Stopped, stop_all

_HUB_LIMIT_S = 60
_LOOK_AGAIN_S = 0.05


def down(
    lab: LabOption = None,
    json: JsonOption = False,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=0,
            metavar="SECONDS",
            help="Force machines off after this time; 0: each machine has its own limit.",
        ),
    ] = 0,
) -> None:
    """Stop the hub and all machines; keep all data."""
    paths = default_paths()
    began = time.monotonic()
    holder = running_holder(paths)
    if holder is not None:
        if not json:
            err().print(f"Stopping the hub (pid {holder.hub_pid or holder.pid}) …")
        stop_hub(paths, holder)
    provider = make_provider(current_settings(paths, lab))
    # The time that the hub took is part of the limit: a host that goes down does not wait.
    left_s = max(0.0, limit - (time.monotonic() - began)) if limit else math.inf
    results = asyncio.run(stop_all(provider, _no_report if json else _report, limit_s=left_s))
    if json:
        machines = [asdict(r) for r in results]
        print_json({"hub_stopped": holder is not None, "machines": machines})
    else:
        out().print("The hub is stopped." if holder else "No hub was running.")
        if results:
            print_table(_table(results))
        else:
            out().print("No machine was running.")
    failed = [r.machine for r in results if r.problem]
    if failed:
        if not json:
            names = ", ".join(failed)
            err().print(f"error: {len(failed)} did not end: {names}", style="bold red")
            err().print("hint: run `vmlab down` again; no trainee's data is lost")
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


def _report(stopped: Stopped) -> None:
    err().print(plain(f"{stopped.machine} {_result(stopped)}"))


def _no_report(stopped: Stopped) -> None:
    """Say nothing: the result is for a program."""


def _result(stopped: Stopped) -> str:
    if stopped.problem:
        return f"✗ {plain(stopped.problem).plain}"
    forced = "; forced off after the time limit" if stopped.forced else ""
    return f"✓ {stopped.took_s:.1f} s{forced}"


def _table(results: Iterable[Stopped]) -> Table:
    table = make_table("machine", "user", "result", free=("result",))
    for result in results:
        table.add_row(plain(result.machine), plain(result.user), plain(_result(result)))
    return table
