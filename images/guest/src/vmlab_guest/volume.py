"""What the host asks of a running machine for the sake of its volume (docs/protocols.md, 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmlab_guest.errors import ApplyError
from vmlab_guest.home import Home
from vmlab_guest.snapshots import hide_snapshots, show_snapshot
from vmlab_guest.system import System

VOLUME_WORDS = frozenset({"freeze", "thaw", "grow", "show", "hide"})


def work_on_volume(
    system: System, home: Home, kind: str, message: Mapping[str, Any]
) -> dict[str, Any]:
    """Do what the message asks for and return the answer.

    Raises:
        AgentError, OSError, ValueError: it could not be done.
    """
    if kind == "freeze":
        limit_s = message.get("limit_s")
        if isinstance(limit_s, bool) or not isinstance(limit_s, int | float):
            raise ApplyError(f"limit_s {str(limit_s)[:40]!r} is no number of seconds")
        home.freeze(limit_s)
        return {"type": "frozen"}
    if kind == "thaw":
        return {"type": "thawed", "was_frozen": home.thaw()}
    if kind == "grow":
        return {"type": "grown", "size_mib": home.grow()}
    if kind == "show":
        show_snapshot(system, message.get("id"))
        return {"type": "shown"}
    hide_snapshots(system)
    return {"type": "hidden"}
