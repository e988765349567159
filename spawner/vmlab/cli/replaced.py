"""`vmlab machine renew|aside|old`: replace a machine, and look at what was replaced."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from vmlab.cli.common import (
    JsonOption,
    duration,
    err,
    make_table,
    out,
    plain,
    print_json,
    print_table,
)
from vmlab.cli.machine import NameArgument, current_provider, find_machine
from vmlab.errors import HostError, MachineConflictError, UnsupportedError
from vmlab.hub.access import find_access
from vmlab.hub.answers import HubAbsentError
from vmlab.hub.client import ask_hub
from vmlab.hub.lock import running_holder
from vmlab.hub.sessions import pauses
from vmlab.model import AsideMachine, MachineStatus, OldDisk
from vmlab.names import is_desk
from vmlab.paths import Paths, default_paths
from vmlab.providers.base import KeepsOldDisks
from vmlab.upkeep.renewal import UNDER_WAY, RenewalStage

aside_app = typer.Typer(no_args_is_help=True)

_log = logging.getLogger(__name__)
_POLL_S = 0.5
_LIMIT_S = 600.0
_UNDER_WAY = frozenset(stage.value for stage in UNDER_WAY)
_STARTED = {RenewalStage.STARTING.value, RenewalStage.READY.value}


def renew(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Replace a machine by a new one with the same volume; the old one is kept, stopped.

    A trainee's own machine is started again where a hub runs; another one by its trainee.
    """
    provider = current_provider()
    machine = asyncio.run(find_machine(provider, name, suggest=False))
    if not yes:
        owner = plain(machine.owner or "unknown").plain
        question = (
            f"Replace {machine.name} (user {owner})? Its volume is kept, the rest starts afresh"
        )
        typer.confirm(question, abort=True)
    paths = default_paths()
    if running_holder(paths) is not None and machine.owner and is_desk(machine.name):
        kept, started = _renew_by_hub(paths, machine)
    else:
        kept, started = asyncio.run(provider.set_aside(machine.name)), False
    if json:
        print_json({"machine": machine.name, "kept": kept, "started": started})
        return
    what = f"set aside as {kept}" if kept else "removed: there was no room to keep it"
    out().print(f"{machine.name} is {what}.")
    out().print("A new one starts." if started else "The next start makes a new one.")


def _renew_by_hub(paths: Paths, machine: MachineStatus) -> tuple[str, bool]:
    """Have the running hub do it, so that its server ends and starts; returns as `follow`."""
    path = f"vmlab/machines/{quote(machine.owner, safe='')}/renew"
    try:
        return follow_renewal(
            lambda method: ask_hub(
                find_access(paths), method, path, json={} if method == "POST" else None
            ),
            lambda: asyncio.run(_kept_of(machine.name)),
        )
    except TimeoutError as error:
        message = f"{machine.name}: not renewed within {_LIMIT_S:.0f} s"
        raise HostError(message, hint=f"see {paths.hub_log}") from error
    except MachineConflictError as error:
        message = f"{machine.name}: the hub could not renew it"
        raise HostError(message, hint=f"see {paths.hub_log}") from error


def follow_renewal(
    ask: Callable[[str], dict[str, Any]], find_kept: Callable[[], set[str]], look_s: float = _POLL_S
) -> tuple[str, bool]:
    """Begin a renewal and follow it to its end.

    A hub that was restarted meanwhile has forgotten it and is asked again, unless the old machine
    is already set aside.

    Args:
        ask: sends POST, which begins, or GET, which looks; returns the hub's answer.
        find_kept: returns the names of what is kept of this machine.

    Returns:
        The name of what was kept, and whether a new machine starts.

    Raises:
        TimeoutError: it is not over in time.
        MachineConflictError: it failed.
        HostError: the hub refuses, or does not run at first.
    """
    before = find_kept()
    answer = ask("POST")
    for pause_s in pauses(_LIMIT_S, look_s):
        stage = answer["stage"]
        if stage and stage not in _UNDER_WAY:
            break
        if not stage and (done := find_kept() - before):
            return done.pop(), False
        time.sleep(pause_s)
        try:
            answer = ask("GET" if stage else "POST")
        except HubAbsentError as error:
            _log.info("the hub is away, perhaps to come back: %s", error.message)
    else:
        raise TimeoutError
    if stage == RenewalStage.FAILED.value:
        raise MachineConflictError(str(answer.get("machine")), "it could not be renewed")
    return str(answer["kept"]), stage in _STARTED


async def _kept_of(machine: str) -> set[str]:
    kept = await current_provider().list_aside()
    return {each.name for each in kept if each.machine == machine}


@aside_app.command("list")
def list_aside(json: JsonOption = False) -> None:
    """List the machines that were replaced and are kept for diagnosis."""
    kept = asyncio.run(current_provider().list_aside())
    if json:
        print_json({"aside": [asdict(machine) for machine in kept]})
        return
    if not kept:
        out().print("No machine was set aside.")
        return
    print_table(_aside_table(kept))
    err().print("To look into one, see `vmlab machine old --help`; its disk is root.qcow2.")


def old(name: NameArgument, json: JsonOption = False) -> None:
    """List a machine's root disks of older images, and how to look into them.

    Nothing is mounted: `qemu-img convert -O raw DISK copy.raw` makes a copy without the image
    below it, and `debugfs -R "ls -l /etc" copy.raw` or `debugfs -R "dump /etc/fstab fstab"
    copy.raw` reads it.
    """
    provider = current_provider()
    if not isinstance(provider, KeepsOldDisks):
        raise UnsupportedError(name, f"provider {provider.features.name} keeps no old disks")
    machine = asyncio.run(find_machine(provider, name))
    disks = asyncio.run(provider.old_disks(machine.name))
    if json:
        print_json({"machine": machine.name, "disks": [asdict(disk) for disk in disks]})
        return
    if not disks:
        out().print(f"{machine.name} has no disks of older images.")
        return
    print_table(_disk_table(disks))
    for line in make_reading_words(disks[0].path):
        err().print(line)


def make_reading_words(disk: str) -> list[str]:
    """Return the commands that read a disk without mounting it."""
    return [
        "To look into one:",
        f"  qemu-img convert -O raw {disk} /tmp/old.raw",
        '  debugfs -R "ls -l /etc" /tmp/old.raw',
        '  debugfs -R "dump /etc/hostname /tmp/hostname" /tmp/old.raw',
    ]


def _aside_table(kept: list[AsideMachine]) -> Table:
    return _table(
        ("kept as", "user", "since", "image", "size", "folder"),
        [
            (m.name, m.owner, _age(m.at), m.image_version, f"{m.size_mib} MiB", m.folder)
            for m in kept
        ],
    )


def _disk_table(disks: list[OldDisk]) -> Table:
    rows: list[tuple[Any, ...]] = [
        (disk.image_version, _age(disk.at), f"{disk.size_mib} MiB", disk.path) for disk in disks
    ]
    return _table(("image", "replaced", "size", "file"), rows)


def _table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = make_table(*titles)
    for row in rows:
        table.add_row(*(plain(str(cell)) for cell in row))
    return table


def _age(at: float) -> str:
    return f"{duration(time.time() - at)} ago"
