"""Snapshots, asked of the hub: it lists them, and plugs one in.

ref: docs/protocols.md, section 2
"""

from __future__ import annotations

from vmlab_guest.hub import Hub, HubError
from vmlab_protocol.errors import FormatError
from vmlab_protocol.snapshots import ListedSnapshot, is_snapshot_id, parse_snapshots

_ANSWER_S = 20.0
_OPEN_S = 300.0  # a copy of the whole volume is made


def list_snapshots(hub: Hub) -> list[ListedSnapshot]:
    """Return the snapshots of this machine's volume, the newest first.

    Raises:
        HubError: the hub could not be asked, or its answer breaks the format.
    """
    answer = hub.get_json("volume/snapshots", _ANSWER_S)
    try:
        return parse_snapshots(answer)
    except FormatError as error:
        raise HubError(str(error)) from error


def open_snapshot(hub: Hub, snapshot: str) -> None:
    """Have the hub plug a snapshot in; the agent has mounted it when this returns.

    Raises:
        HubError: it refused, or it took too long.
    """
    if not is_snapshot_id(snapshot):
        raise HubError(f"{snapshot[:40]!r} is not a name of a snapshot")
    hub.post_json(f"volume/snapshots/{snapshot}/open", {}, _OPEN_S)
