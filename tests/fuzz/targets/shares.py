"""What the agents read of the file server: rosters, notes of their own, and the server's answer."""

from __future__ import annotations

import string
from functools import cache

from fakes.fake_system import FakeSystem
from fuzz.target import check, scratch, target
from vmlab_guest.errors import AgentError
from vmlab_guest.hub import HubError, _decode
from vmlab_guest.serving.serve import read_roster, serve
from vmlab_guest.shares.follow import Follower
from vmlab_guest.shares.null_call import is_answer
from vmlab_guest.shares.presence import parse_usage
from vmlab_protocol.errors import FormatError

_NAMES = frozenset(string.ascii_lowercase + string.digits + "-")


@cache
def _server() -> FakeSystem:
    system = FakeSystem(scratch("server-root"))
    (system.root / "srv").mkdir()
    system.mount("/dev/vdb", "/srv", "ext4", "")
    return system


@cache
def _desk() -> FakeSystem:
    system = FakeSystem(scratch("share-root"))
    (system.root / "run/vmlab").mkdir(parents=True)
    return system


@target("roster", AgentError, FormatError, HubError, parsers=(
    "vmlab_guest.serving.serve:serve", "vmlab_protocol.share:parse_roster"))  # fmt: skip
def roster(data: bytes) -> None:
    """Whatever is served, each line of the exports is a path that was meant, and its clients."""
    message = _decode(data)
    if not isinstance(message, dict):
        return
    system = _server()
    (system.root / "srv/.vmlab/roster.json").unlink(missing_ok=True)
    system.commands.clear()
    serve(system, message)
    for line in (system.root / "etc/exports.d/vmlab.exports").read_text().splitlines()[1:]:
        path, *clients = line.split(" ")
        place = path.split("/")
        check(place[:2] == ["", "srv"] and place[2] in {"own", "drop", "shared"}, path)
        check(len(place) < 5 and set("".join(place[2:])) <= _NAMES, path)
        check(bool(clients) and all(client[0].isdigit() for client in clients), line)
    check(read_roster(system) is not None, "what was served is not served by the next start")


@target("roster-file", parsers=("vmlab_guest.serving.serve:read_roster",))
def roster_file(data: bytes) -> None:
    system = _desk()
    path = system.root / "srv/.vmlab/roster.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    found = read_roster(system)
    check(found is None or found.serial > 0, found)


@target("share-file", parsers=("vmlab_guest.shares.follow:Follower._read_kept",))
def share_file(data: bytes) -> None:
    """The trainee is root and may write it: the agent follows no server of another form."""
    system = _desk()
    (system.root / "run/vmlab/share.json").write_bytes(data)
    share = Follower(system, lambda *_: False)._read_kept()
    check(share is None or set(share.folder) <= _NAMES, share)


@target("null-answer", parsers=("vmlab_guest.shares.null_call:is_answer",), is_text=False)
def null_answer(data: bytes) -> None:
    check(not (is_answer(data, 1) and is_answer(data, 2)), "one answer to two calls")


@target("usage", ValueError, parsers=("vmlab_guest.shares.presence:parse_usage",))
def usage(data: bytes) -> None:
    parse_usage(data.decode("utf-8", "replace"))
