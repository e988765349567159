"""Machines that were replaced: kept, stopped, in STATE/aside, the last few of each."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from vmlab.errors import ProviderError
from vmlab.model import AsideMachine
from vmlab.providers.qemu.machine.machine import Machine, Record
from vmlab.system.background import apart
from vmlab.system.files import move

KEPT = 3
"""Of each machine; older ones are removed."""

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<machine>.+)-(?P<stamp>[0-9]{8}T[0-9]{6}Z)")


def keep_folder(machine: Machine, aside: Path, now: float) -> str:
    """Rename a stopped machine's folder into `aside`; return its new name, empty without a folder.

    Whatever point this is cut at, the machine is there or set aside.
    """
    if not machine.path.is_dir():
        return ""
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    while (kept := aside / f"{machine.name}-{_stamp(now)}").exists():
        now += 1  # twice within a second
    move(machine.path, kept)
    return kept.name


def find_owner(aside: Path, name: str) -> str:
    """Return whose machine was set aside under this name; empty when its record does not say."""
    return next((kept.owner for kept in list_aside(aside) if kept.name == name), "")


def thin(aside: Path, machine: str) -> list[str]:
    """Remove all but the newest few of a machine; return the names of those removed."""
    own = [kept for kept in list_aside(aside) if kept.machine == machine]
    for old in own[KEPT:]:
        shutil.rmtree(aside / old.name)
    return [old.name for old in own[KEPT:]]


def list_aside(aside: Path) -> list[AsideMachine]:
    """Return the machines that were set aside, the newest first."""
    found = []
    for path in aside.iterdir() if aside.is_dir() else ():
        with apart(f"{path}: not listed"):
            match = _NAME.fullmatch(path.name)
            at = _parse(match["stamp"]) if match else None
            if match and at is not None and path.is_dir():
                found.append(_describe(path, match["machine"], at))
    return sorted(found, key=lambda kept: (kept.at, kept.name), reverse=True)


def _describe(path: Path, machine: str, at: float) -> AsideMachine:
    record: Record | None
    try:
        record = Machine(path).record()
    except ProviderError:
        record = None  # damaged: that may be why it was set aside
    blocks = sum(entry.lstat().st_blocks for entry in path.rglob("*"))
    return AsideMachine(
        name=path.name,
        machine=machine,
        at=at,
        owner=record.owner if record else "",
        image_version=record.image_version if record else "",
        size_mib=blocks * 512 // 2**20,
        folder=str(path),
    )


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(int(now), UTC).strftime(_STAMP)


def _parse(stamp: str) -> float | None:
    """Return the time of a stamp; None if it is of no time that there is."""
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
