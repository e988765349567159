"""Serving files: the last roster is kept on the volume, and served again at each start.

    /srv/.vmlab/roster.json            0600  the roster, as it travels
    /srv/.vmlab/nfsdcld/               which clients may take their locks back after a restart
    /etc/exports.d/vmlab.exports       0644  who may mount what

Clients that wait for a server that was killed find it as they left it, before the hub says
anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file, write_file
from vmlab_guest.mounts import find_mounted
from vmlab_guest.serving.exports import make_exports, make_quotas
from vmlab_guest.serving.folders import KEPT, ensure_folders
from vmlab_guest.system import System, inside
from vmlab_protocol.messages import GuestMessageType
from vmlab_protocol.outside import load_json
from vmlab_protocol.share import ROOT, Roster, parse_roster, roster_json

UNIT = "nfs-server.service"
EXPORTS = "/etc/exports.d/vmlab.exports"
_ROSTER = f"{KEPT}/roster.json"
_UNIT_S = 600.0  # in the middle of a boot under software emulation; the host has a limit of its own


def is_server(system: System) -> bool:
    """Return whether the volume of a file server is mounted here."""
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    return find_mounted(mountinfo, ROOT) is not None


def serve(system: System, message: Mapping[str, Any]) -> dict[str, Any]:
    """Serve what the host's message says and return the answer: which roster is served now.

    An older roster than the one that is served changes nothing.

    Raises:
        FormatError: the message breaks its format.
        ApplyError: this machine is no file server, or it cannot be done as the roster says.
        OSError: the file system refused.
    """
    roster = parse_roster(message)
    if not is_server(system):
        raise ApplyError(f"no volume is mounted at {ROOT}: this machine is not a file server")
    held = read_roster(system)
    if held and held.serial == roster.serial and held != roster:
        raise ApplyError(f"another roster with the serial {roster.serial} is served already")
    if held is None or held.serial <= roster.serial:
        # First of all: what is begun here is finished by the next start, if this one is cut off.
        _write_roster(system, roster)
        _apply(system, roster)
        held = roster
    return {"type": GuestMessageType.SERVING, "serial": held.serial}


def resume_serving(system: System) -> None:
    """Serve what was served last, on a machine whose volume is a file server's; else a no-op.

    Raises:
        ApplyError, OSError: the server does not start.
    """
    if not is_server(system):
        return
    inside(system, f"{KEPT}/nfsdcld").mkdir(mode=0o700, parents=True, exist_ok=True)
    roster = read_roster(system)
    if roster:
        _apply(system, roster)
    else:
        system.run("systemctl", "start", UNIT, timeout_s=_UNIT_S)


def read_roster(system: System) -> Roster | None:
    """Return the roster that is kept on the volume; None: there is none that can be read."""
    path = inside(system, _ROSTER)
    try:
        table = load_json(path.read_bytes())
        return parse_roster(table if isinstance(table, dict) else {})
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        system.log(f"{_ROSTER} is passed over, until the hub sends it again: {error}")
        return None


def _write_roster(system: System, roster: Roster) -> None:
    path = inside(system, _ROSTER)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_file(path, json.dumps(roster_json(roster)).encode(), 0o600, durable=True)


def _apply(system: System, roster: Roster) -> None:
    ids = ensure_folders(system, roster)
    system.run("setquota", "-P", "-b", ROOT, stdin=make_quotas(roster, ids))
    ensure_file(inside(system, EXPORTS), make_exports(roster, ids))
    system.run("systemctl", "start", UNIT, timeout_s=_UNIT_S)
    system.run("exportfs", "-ra")
