"""`vmlab volume`: the trainees' disks: list, show, grow, snapshot, restore, copy, delete."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from vmlab.cli.common import (
    JsonOption,
    current_settings,
    duration,
    make_table,
    out,
    plain,
    print_json,
    print_table,
)
from vmlab.model import Volume, VolumeState
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.providers import make_provider
from vmlab.system.disk_space import taken_mib
from vmlab.volumes.accounting import owner_of
from vmlab.volumes.allowance import Use
from vmlab.volumes.importing import Import, ImportFormat
from vmlab.volumes.model import QUARANTINE_DAYS, ExportFormat, Snapshot, own_name
from vmlab.volumes.states import find_snapshot
from vmlab.volumes.store import VolumeStore, deleted_name, store_of
from vmlab_protocol.snapshots import Reason

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(help="Name of a volume, or of its user.")]
SnapshotArgument = Annotated[
    str, typer.Argument(help="A snapshot, as `vmlab volume show` names it.", metavar="SNAPSHOT")
]

STATE_SIGNS = {
    VolumeState.ATTACHED: "● attached",
    VolumeState.FREE: "○ free",
    VolumeState.QUARANTINED: "✗ deleted",
}
"""A shape beside the word, never a colour alone."""


@app.command("list")
def list_volumes(json: JsonOption = False) -> None:
    """List all volumes, deleted ones in quarantine included."""
    store = _store()

    async def ask() -> tuple[list[Volume], dict[str, Use]]:
        return await store.all(), await store.uses()

    volumes, uses = asyncio.run(ask())
    rows = [(volume, _disk_mib(store, volume)) for volume in volumes]
    if json:
        found = [{**volume_json(v), "disk_mib": m, **use_json(uses, v)} for v, m in rows]
        print_json({"volumes": found})
        return
    if not rows:
        out().print("No volumes yet. A trainee's first start makes one.")
        return
    titles = ("volume", "user", "state", "machine", "MiB", "on disk", "user's total")
    table = make_table(*titles, "purged after")
    for volume, mib in rows:
        table.add_row(
            plain(volume.name),
            plain(volume.owner),
            STATE_SIGNS[volume.state],
            plain(volume.holder),
            str(volume.size_mib),
            "gone" if mib is None else f"{mib} MiB",
            _total(uses, volume),
            _moment(volume.purge_after) if volume.purge_after else "",
        )
    print_table(table)


@app.command("show")
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show a volume and its snapshots."""
    store = _store()

    async def ask() -> tuple[Volume, list[Snapshot], dict[str, Use]]:
        volume = await store.find(name)
        return volume, await store.snapshots(volume.name), await store.uses()

    volume, snapshots, uses = asyncio.run(ask())
    mib = _disk_mib(store, volume)
    if json:
        found = [snapshot_json(snapshot) for snapshot in snapshots]
        facts = {**volume_json(volume), "disk_mib": mib, **use_json(uses, volume)}
        print_json({**facts, "snapshots": found})
        return
    console, now = out(), time.time()
    console.print(plain(f"{volume.name}: {STATE_SIGNS[volume.state]} {volume.holder}".rstrip()))
    if volume.held_since:
        console.print(f"  attached for {duration(now - volume.held_since)}")
    if volume.purge_after:
        console.print(f"  can be brought back until {_moment(volume.purge_after)}")
    console.print(plain(f"  user: {volume.owner or 'unknown'}"))
    console.print(f"  size: {volume.size_mib} MiB, on the host's disk {mib} MiB with its snapshots")
    console.print(plain(f"  total of {owner_of(volume)}: {_total(uses, volume)}"))
    for part in _use(uses, volume).parts:
        if part.taken_mib:
            console.print(plain(f"    {part.kind.replace('_', ' ')}: {part.taken_mib} MiB"))
    console.print(plain(f"  file: {store.context.path(volume)}"))
    table = make_table("snapshot", "age", "MiB")
    for snapshot in reversed(snapshots):
        table.add_row(plain(snapshot.id), duration(now - snapshot.taken), str(snapshot.size_mib))
    if snapshots:
        print_table(table)
    else:
        console.print("  no snapshots yet")


@app.command("grow")
def grow(
    name: NameArgument,
    size: Annotated[str, typer.Argument(help="The new size, such as 2G.")],
    json: JsonOption = False,
) -> None:
    """Make a volume larger, also while its machine runs. It never shrinks."""
    size_mib = parse_size_mib(size)
    volume = _on(name, lambda store, wanted: store.grow(wanted, size_mib))
    if json:
        print_json(volume_json(volume))
        return
    when = " from the next start on" if volume.needs_grow else ""
    out().print(plain(f"{volume.name} has {volume.size_mib} MiB{when}"))


@app.command("snapshot")
def snapshot(
    name: NameArgument,
    delete: Annotated[
        str, typer.Option(help="Delete this snapshot instead of taking one.", metavar="SNAPSHOT")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Take a snapshot of a volume, also while its machine runs."""
    if delete:
        _on(name, lambda store, wanted: store.delete_snapshot(wanted, delete))
        if json:
            print_json({"deleted": delete})
        else:
            out().print(plain(f"{delete} is deleted"))
        return
    taken = _on(name, lambda store, wanted: store.snapshot(wanted, Reason.MANUAL))
    if json:
        print_json(snapshot_json(taken))
    else:
        out().print(plain(f"{taken.id} is taken"))


@app.command("restore")
def restore(
    name: NameArgument,
    snapshot: SnapshotArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Make a snapshot the volume's content; what it replaces is kept as a snapshot."""

    async def ask_first(store: VolumeStore, volume: Volume) -> None:
        find_snapshot(volume, await store.snapshots(volume.name), snapshot)
        await store.require_alone(volume.name)
        if not yes:
            typer.confirm(f"Replace the content of {volume.name}?", abort=True)

    done = _on(name, lambda store, wanted: store.restore(wanted, snapshot), ask_first)
    if json:
        kept = snapshot_json(done.kept)
        print_json({**snapshot_json(done.snapshot), "kept": kept, "volume_mib": done.size_mib})
        return
    out().print(plain(f"{done.snapshot.id} is restored; what it replaced is {done.kept.id}"))


@app.command("export")
def export(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="The new file.", metavar="FILE")],
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="The disk's format; by the file's name when left out."),
    ] = None,
    snapshot: Annotated[
        str, typer.Option(help="This state; the present one when left out.", metavar="SNAPSHOT")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Write a volume into a disk image: qcow2 for KVM, vmdk for VMware, vdi for VirtualBox, raw."""
    chosen = form or _format_of(file)
    target = file.absolute()
    taken = _on(name, lambda store, wanted: store.export(wanted, target, chosen, snapshot))
    if json:
        size = target.stat().st_size
        state = snapshot_json(taken)
        print_json({"file": str(target), "format": chosen.value, "bytes": size, "state": state})
        return
    out().print(plain(f"{target}: {chosen}, as of {_moment(taken.taken)}"))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A qcow2 or vdi file.", metavar="FILE")],
    user: Annotated[str, typer.Argument(help="The user whose volume it becomes.")],
    form: Annotated[
        ImportFormat, typer.Option("--format", help="The file's format; a raw disk must be named.")
    ] = ImportFormat.AUTO,
    json: JsonOption = False,
) -> None:
    """Make a user's volume of a disk image, such as `vmlab volume export` wrote."""
    request = Import(file.absolute(), volume_name(user), user, form=form)
    volume = asyncio.run(_store().import_volume(request))
    if json:
        print_json(volume_json(volume))
    else:
        out().print(plain(f"{volume.name}: {volume.size_mib} MiB for {user}"))


@app.command("delete")
def delete(
    name: NameArgument,
    days: Annotated[
        float, typer.Option(help="How long it can be brought back.", metavar="DAYS")
    ] = QUARANTINE_DAYS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete a volume: it goes into quarantine first, and is removed when that is over."""

    async def ask_first(store: VolumeStore, volume: Volume) -> None:
        await store.require_alone(volume.name)
        if not yes:
            typer.confirm(f"Delete {volume.name} (user {volume.owner or 'unknown'})?", abort=True)

    gone = _on(name, lambda store, wanted: store.delete(wanted, days), ask_first)
    if json:
        print_json(volume_json(gone) if gone else {"forgotten": name})
    elif gone is None:
        out().print(plain(f"{name} is removed from the registry: its file was already gone"))
    else:
        until = _moment(gone.purge_after or 0.0)
        out().print(plain(f"deleted; until {until}: vmlab volume undelete {gone.name}", most=400))


@app.command("undelete")
def undelete(
    name: Annotated[str, typer.Argument(help="A deleted volume, or its user.")],
    json: JsonOption = False,
) -> None:
    """Bring a deleted volume back, as long as its quarantine lasts."""
    store = _store()

    async def run() -> Volume:
        names = {deleted_name(volume) for volume in await store.all()}
        return await store.undelete(name if own_name(name) in names else volume_name(name))

    volume = asyncio.run(run())
    if json:
        print_json(volume_json(volume))
    else:
        out().print(plain(f"{volume.name} is back"))


def parse_size_mib(text: str) -> int:
    """Return a size such as 512M or 2G in MiB.

    Raises:
        typer.BadParameter: it is not one.
    """
    found = re.fullmatch(r"([0-9]{1,7})([MG])", text.strip().upper())
    if not found:
        raise typer.BadParameter(f"{text!r}: a whole number with M or G, such as 2G")
    return int(found[1]) * (1024 if found[2] == "G" else 1)


def volume_json(volume: Volume) -> dict[str, Any]:
    """Return a volume for programs."""
    return {**asdict(volume), "state": volume.state.value}


def _use(uses: dict[str, Use], volume: Volume) -> Use:
    """Return what a volume's owner takes; the volume may have been deleted meanwhile."""
    return uses.get(owner_of(volume), Use(owner_of(volume), 0))


def use_json(uses: dict[str, Use], volume: Volume) -> dict[str, int]:
    """Return what the owner of a volume takes and may take, for programs."""
    use = _use(uses, volume)
    return {"owner_mib": use.taken_mib, "owner_limit_mib": use.limit_mib}


def _total(uses: dict[str, Use], volume: Volume) -> str:
    use = _use(uses, volume)
    return f"{use.taken_mib} of {use.limit_mib} MiB"


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot for programs."""
    return {**asdict(snapshot), "reason": snapshot.reason.value}


def _store() -> VolumeStore:
    paths = default_paths()
    return store_of(make_provider(current_settings(paths)), paths)


def _on(
    name: str,
    act: Callable[[VolumeStore, str], Awaitable[T]],
    ask_first: Callable[[VolumeStore, Volume], Awaitable[None]] | None = None,
) -> T:
    """Do something with the volume of this name, or of this user; return what that returns.

    Args:
        ask_first: for operations that may lose data: checks whether it can be done, then asks.
    """
    store = _store()

    async def run() -> T:
        volume = await store.find(name, suggest=ask_first is None)
        if ask_first:
            await ask_first(store, volume)
        return await act(store, volume.name)

    return asyncio.run(run())


def _disk_mib(store: VolumeStore, volume: Volume) -> int | None:
    """Return what a volume takes on the host's disk; None when its file is gone."""
    path = store.context.path(volume)
    return taken_mib(path) if path.exists() else None


def _format_of(file: Path) -> ExportFormat:
    try:
        return ExportFormat(file.suffix.removeprefix(".").lower())
    except ValueError as error:
        known = ", ".join(ExportFormat)
        message = f"{file.name}: end the name in one of {known}, or say --format"
        raise typer.BadParameter(message) from error


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
