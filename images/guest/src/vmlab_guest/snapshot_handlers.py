"""Snapshots in the single-user server: list, open, browse, restore.

    GET  vmlab/snapshots                   what the hub has, and which one is open
    POST vmlab/snapshots/ID/open           have the hub plug it in
    GET  vmlab/snapshots/ID/tree?path=P    a folder of it
    POST vmlab/snapshots/ID/restore        {"paths": [P, ...], "keep": "rename"}

All with the rights of the trainee, in threads, so that the server goes on.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from vmlab_guest.answering import AnsweringHandler, own_hub
from vmlab_guest.hub_snapshots import list_snapshots, open_snapshot
from vmlab_guest.lookback import find_shown, find_snapshot, list_folder
from vmlab_guest.restore import restore
from vmlab_protocol.machine import HOME

_ID = r"([a-z]{1,20}-[0-9]{8}T[0-9]{6}Z)"
_ROOT = Path(os.environ.get("VMLAB_ROOT") or "/")  # elsewhere for tests
_MAX_PATHS = 1000
_restoring = threading.Lock()


class SnapshotsHandler(AnsweringHandler):
    """The snapshots there are."""

    @web.authenticated
    async def get(self) -> None:
        """Answer them, the newest first, and the id of the one that is open, or nothing."""
        await self.answer(_list)


class OpenHandler(AnsweringHandler):
    """A snapshot that is to be looked into."""

    @web.authenticated
    async def post(self, snapshot: str) -> None:
        """Answer when it can be; it takes the time of a copy of the volume."""
        await self.answer(_open, snapshot)


class TreeHandler(AnsweringHandler):
    """A folder of an open snapshot."""

    @web.authenticated
    async def get(self, snapshot: str) -> None:
        """Answer its entries; the path in the query may hold any bytes that a name may."""
        raw = self.request.query_arguments.get("path", [b""])[-1]
        await self.answer(_tree, snapshot, os.fsdecode(raw))


class RestoreHandler(AnsweringHandler):
    """Files and folders to be restored."""

    @web.authenticated
    async def post(self, snapshot: str) -> None:
        """Bring them back; answer what was done. One at a time."""
        body = self.get_json_body() or {}
        paths, keep = body.get("paths"), body.get("keep", "rename")
        if keep != "rename":
            self.refuse(400, f"keep: only 'rename' is known, got {str(keep)[:40]!r}")
        elif not isinstance(paths, list) or not 0 < len(paths) <= _MAX_PATHS:
            self.refuse(400, f"paths: expected a list of 1 to {_MAX_PATHS} paths")
        elif not all(isinstance(path, str) for path in paths):
            self.refuse(400, "paths: each one must be a text")
        elif not _restoring.acquire(blocking=False):
            self.refuse(409, "another restore is under way in this machine; wait until it is over")
        else:
            try:
                await self.answer(_restore, snapshot, paths)
            finally:
                _restoring.release()


SNAPSHOT_HANDLERS: tuple[tuple[str, type[APIHandler]], ...] = (
    ("snapshots", SnapshotsHandler),
    (rf"snapshots/{_ID}/open", OpenHandler),
    (rf"snapshots/{_ID}/tree", TreeHandler),
    (rf"snapshots/{_ID}/restore", RestoreHandler),
)
"""By what follows the prefix of VMLab's handlers."""


def make_stamp() -> str:
    """Return the time as it is written in the name of what a restore replaced."""
    return time.strftime("%Y%m%dT%H%M%S")


def _list() -> dict[str, Any]:
    found = list_snapshots(own_hub())
    rows = [{"id": s.id, "reason": s.reason, "taken": s.taken_s} for s in found]
    return {"snapshots": rows, "shown": find_shown(_ROOT)}


def _open(snapshot: str) -> dict[str, Any]:
    if find_shown(_ROOT) != snapshot:
        open_snapshot(own_hub(), snapshot)
        find_snapshot(_ROOT, snapshot)  # the hub's word alone is not enough
    return {"shown": snapshot}


def _tree(snapshot: str, path: str) -> dict[str, Any]:
    listing = list_folder(find_snapshot(_ROOT, snapshot), path)
    rows = [
        {"name": e.name, "kind": e.kind, "size": e.size_bytes, "changed": e.changed_s}
        for e in listing.entries
    ]
    return {"path": path, "entries": rows, "is_cut": listing.is_cut}


def _restore(snapshot: str, paths: list[str]) -> dict[str, Any]:
    top = find_snapshot(_ROOT, snapshot)
    return asdict(restore(top, _ROOT / HOME.lstrip("/"), paths, make_stamp()))
