"""Snapshots of a volume: their names, and the list that a machine may ask for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from vmlab_protocol.errors import FormatError

MAX_LISTED = 500
"""A machine reads no more of a list."""

_STAMP = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"[a-z]{1,20}-[0-9]{8}T[0-9]{6}Z")


class Reason(StrEnum):
    """Why a snapshot was taken; it says how long the snapshot is kept."""

    HOURLY = "hourly"  # by the hub, while the machine runs
    MANUAL = "manual"  # somebody asked for it
    KEPT = "kept"  # what a restore replaced
    BEFORE = "before"  # for the time of one operation, such as an export


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot as the hub lists it; its reason may be one that an older machine does not know."""

    id: str
    reason: str
    taken_s: float  # seconds since the epoch


def make_stamp(at: float) -> str:
    """Return a time, UTC, as it is written in names.

    Example:
        >>> make_stamp(0)
        '19700101T000000Z'
    """
    return datetime.fromtimestamp(int(at), UTC).strftime(_STAMP)


def parse_stamp(text: str) -> float:
    """Return the time that a name says, in seconds since the epoch.

    Raises:
        ValueError: it says none.
    """
    at = datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp()
    # strptime takes fewer digits too; names must be the same both ways.
    if make_stamp(at) != text:
        raise ValueError(f"{text!r} is not a time as {_STAMP}")
    return at


def make_snapshot_id(reason: Reason, at: float) -> str:
    """Return a snapshot's name.

    Example:
        >>> make_snapshot_id(Reason.HOURLY, 0)
        'hourly-19700101T000000Z'
    """
    return f"{reason.value}-{make_stamp(at)}"


def parse_snapshot_id(text: str) -> tuple[Reason, float] | None:
    """Return reason and time of a snapshot by its name; None when VMLab did not make it."""
    word, _, stamp = text.partition("-")
    try:
        return Reason(word), parse_stamp(stamp)
    except ValueError:
        return None


def is_snapshot_id(value: object) -> bool:
    """Return whether a snapshot may be called so; then it is a safe file name.

    Takes reasons that are not known here: a hub may be newer than its machines.
    """
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def dump_snapshots(snapshots: Iterable[tuple[str, float]]) -> dict[str, Any]:
    """Return the answer to `GET volume/snapshots`: names, and when each was taken."""
    return {"snapshots": [{"id": name, "taken": taken} for name, taken in snapshots]}


def parse_snapshots(answer: object) -> list[ListedSnapshot]:
    """Return the checked answer to `GET volume/snapshots`, the newest first.

    Raises:
        FormatError: it breaks the format.
    """
    rows = answer.get("snapshots") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise FormatError("the list of snapshots breaks its format")
    found = []
    for row in rows[:MAX_LISTED]:
        name, taken = (row.get("id"), row.get("taken")) if isinstance(row, dict) else (None, None)
        if not is_snapshot_id(name) or type(taken) not in {int, float}:
            raise FormatError(f"the list of snapshots holds {str(row)[:100]}")
        reason = str(name).partition("-")[0]
        found.append(ListedSnapshot(str(name), reason, float(taken or 0)))
    return sorted(found, key=lambda snapshot: (snapshot.taken_s, snapshot.id), reverse=True)
