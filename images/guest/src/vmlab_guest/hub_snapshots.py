"""The hub's part in looking back: it knows the snapshots, and plugs one in.

ref: docs/protocols.md, section 2
"""

from __future__ import annotations

from dataclasses import dataclass

from vmlab_guest.hub import Hub, HubError
from vmlab_guest.snapshots import is_snapshot_id

_ANSWER_S = 20.0
_OPEN_S = 300.0  # a copy of the whole volume is made
_MOST = 500


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of this machine's volume."""

    id: str
    reason: str  # hourly, manual, kept, before
    taken_s: float  # seconds since the epoch


def list_snapshots(hub: Hub) -> list[Snapshot]:
    """Return the snapshots of this machine's volume, the newest first.

    Raises:
        HubError: the hub could not be asked, or its answer breaks the format.
    """
    return parse_snapshots(hub.get_json("volume/snapshots", _ANSWER_S))


def open_snapshot(hub: Hub, snapshot: str) -> None:
    """Have the hub plug a snapshot in; the agent has mounted it when this returns.

    Raises:
        HubError: it refused, or it took too long.
    """
    if not is_snapshot_id(snapshot):
        raise HubError(f"{snapshot[:40]!r} is no name of a snapshot")
    hub.post_json(f"volume/snapshots/{snapshot}/open", {}, _OPEN_S)


def parse_snapshots(answer: object) -> list[Snapshot]:
    """Return the checked answer to `GET volume/snapshots`, the newest first. Pure.

    Raises:
        HubError: it breaks the format.
    """
    rows = answer.get("snapshots") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise HubError("the list of snapshots breaks its format")
    found = []
    for row in rows[:_MOST]:
        name, taken = (row.get("id"), row.get("taken")) if isinstance(row, dict) else (None, None)
        if not is_snapshot_id(name) or type(taken) not in {int, float}:
            raise HubError(f"the list of snapshots holds {str(row)[:100]}")
        found.append(Snapshot(str(name), str(name).partition("-")[0], float(taken or 0)))
    return sorted(found, key=lambda snapshot: (snapshot.taken_s, snapshot.id), reverse=True)
