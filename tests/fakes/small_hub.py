"""A real HTTP server with the part of the hub's API that a machine uses (docs/protocols.md, 2).

The packing is the hub's own (`vmlab.courses`), so that both ends of an archive are tested.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from vmlab.courses.archive import pack_course
from vmlab.courses.folder import read_folder

TOKEN = "a-token-of-the-tests"


@dataclass
class State:
    """What is published, what arrived, and which faults are wanted."""

    courses: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    receipts: list[dict] = field(default_factory=list)
    progress: list[dict] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)
    fail_next: int = 0  # so many requests are answered with 500
    fail_posts: int = 0  # so many of those that send something are
    cut_archives: bool = False  # archives end in the middle
    own: dict | None = None  # what `own/courses` answers
    snapshots: dict[str, float] = field(default_factory=dict)  # when each was taken
    on_open: Callable[[str], None] = lambda _: None  # plugs a snapshot in
    languages: list[dict] = field(default_factory=list)
    on_language: Callable[[str], object] = lambda _: None  # tells the agent
    changed: threading.Condition = field(default_factory=threading.Condition)
    closing: bool = False  # who waits for a change waits no longer

    def digest(self) -> str:
        courses = [f"{name}.{entry[1]}" for name, entry in sorted(self.courses.items())]
        return "-".join(courses + [f"{n}.{v}" for n, v in sorted(self.removed.items())]) or "0"


class SmallHub:
    """The server; use it with `with`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.state = state = State()
        handler = type("Handler", (_Handler,), {"state": state})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.api_url = f"http://127.0.0.1:{self.port}/hub/api"
        self.env = {"JUPYTERHUB_API_URL": self.api_url, "JUPYTERHUB_API_TOKEN": TOKEN}

    def publish(self, source: Path | dict[str, bytes], name: str, version: int) -> None:
        """Publish a folder, or files as they are."""
        archive = pack_course(source if isinstance(source, dict) else read_folder(source))
        self.publish_archive(name, version, archive.digest, archive.data)

    def take_back(self, name: str, version: int) -> None:
        with self.state.changed:
            self.state.courses.pop(name, None)
            self.state.removed[name] = version
            self.state.changed.notify_all()

    def publish_archive(self, name: str, version: int, digest: str, data: bytes) -> None:
        with self.state.changed:
            self.state.removed.pop(name, None)
            self.state.courses[name] = (version, digest, data)
            self.state.changed.notify_all()

    def wait_for(self, is_true, timeout_s: float = 60) -> None:
        """Return when the predicate of the state holds after some request."""
        with self.state.changed:
            done = self.state.changed.wait_for(lambda: is_true(self.state), timeout_s)
        assert done, self.state.requests

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.state.changed:
            self.state.closing = True
            self.state.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: State

    def do_GET(self) -> None:
        if not self._admit():
            return
        url = urlsplit(self.path)
        if url.path == "/hub/api":  # the single-user server asks before it starts
            self._answer(200, {"version": "6.1.1"})
            return
        parts = url.path.removeprefix("/hub/api/vmlab/").split("/")
        if parts == ["volume", "snapshots"]:
            rows = [{"id": name, "taken": at} for name, at in self.state.snapshots.items()]
            self._answer(200, {"snapshots": rows})
        elif parts == ["own", "courses"] and self.state.own is not None:
            self._answer(200, self.state.own)
        elif parts == ["courses"]:
            self._list(parse_qs(url.query, keep_blank_values=True))
        elif len(parts) == 3 and parts[1] in self.state.courses:
            self._archive(self.state.courses[parts[1]][2])
        else:
            self._answer(404, {"status": 404, "message": "no such course"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._admit():
            return
        kind = self.path.rpartition("/")[2]
        if kind == "open":
            self._open(self.path.split("/")[-2])
            return
        if kind == "language":
            self.state.on_language(body["language"])
            kind = "languages"
        getattr(self.state, kind).append(body)
        self._answer(200, {})

    def _open(self, name: str) -> None:
        if name not in self.state.snapshots:
            self._answer(404, {"status": 404, "message": f"there is no snapshot {name}"})
            return
        self.state.on_open(name)
        self._answer(200, {"shown": name})

    def _admit(self) -> bool:
        with self.state.changed:
            self.state.requests.append(f"{self.command} {self.path}")
            failing = self.state.fail_next > 0
            self.state.fail_next -= failing
            if self.command == "POST" and self.state.fail_posts > 0:
                failing = True
                self.state.fail_posts -= 1
            self.state.changed.notify_all()
        if failing:
            self._answer(500, {"status": 500, "message": "as the test asked for"})
        elif self.headers["Authorization"] != f"token {TOKEN}":
            failing = True
            self._answer(403, {"status": 403, "message": "no such token"})
        return not failing

    def _list(self, query: dict[str, list[str]]) -> None:
        known, wait_s = query["known"][0], min(25.0, float(query["wait"][0]))
        with self.state.changed:
            self.state.changed.wait_for(
                lambda: self.state.closing or self.state.digest() != known, wait_s
            )
            rows = [
                {"name": name, "version": v, "digest": d, "title": {"en": name, "fr": name}}
                for name, (v, d, _) in self.state.courses.items()
            ]
            gone = [{"name": name, "version": v} for name, v in self.state.removed.items()]
            body = {"digest": self.state.digest(), "courses": rows, "removed": gone}
        self._answer(200, body)

    def _archive(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.state.cut_archives else data)

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        with self.state.changed:
            self.state.changed.notify_all()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""
