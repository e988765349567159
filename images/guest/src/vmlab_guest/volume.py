"""What the host asks of a running machine for the sake of its volume (docs/protocols.md, 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmlab_guest.errors import ApplyError
from vmlab_guest.home import Home
from vmlab_guest.snapshots import hide_snapshots, show_snapshot
from vmlab_guest.system import System
from vmlab_protocol.messages import ANSWERS, HostMessageType

VOLUME_REQUESTS = frozenset(
    {
        HostMessageType.FREEZE,
        HostMessageType.THAW,
        HostMessageType.GROW,
        HostMessageType.SHOW,
        HostMessageType.HIDE,
    }
)


def work_on_volume(
    system: System, home: Home, kind: HostMessageType, message: Mapping[str, Any]
) -> dict[str, Any]:
    """Do what the message asks for and return the answer.

    Raises:
        AgentError, OSError, ValueError: it could not be done.
    """
    done: dict[str, Any] = {"type": ANSWERS[kind]}
    if kind is HostMessageType.FREEZE:
        limit_s = message.get("limit_s")
        if isinstance(limit_s, bool) or not isinstance(limit_s, int | float):
            raise ApplyError(f"limit_s {str(limit_s)[:40]!r} is not a number of seconds")
        home.freeze(limit_s)
    elif kind is HostMessageType.THAW:
        done["was_frozen"] = home.thaw()
    elif kind is HostMessageType.GROW:
        done["size_mib"] = home.grow()
    elif kind is HostMessageType.SHOW:
        show_snapshot(system, message.get("id"))
    else:
        hide_snapshots(system)
    return done
