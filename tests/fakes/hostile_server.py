"""What a trainee who is root puts behind their machine's address: pages and headers of their own.

    with HostileServer() as server:
        server.pages["/user/ada/x"] = Answer(b"<script>...", [("Set-Cookie", "a=b; Path=/")])

A request for anything else gets an empty page. What arrives is kept in `seen`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote


@dataclass(frozen=True)
class Answer:
    """What one path is answered with."""

    body: bytes = b"<!doctype html><title>hostile</title>"
    headers: Sequence[tuple[str, str]] = ()
    status: int = 200
    type: str = "text/html"


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names are lower case
    body: bytes = field(default=b"", repr=False)


class HostileServer:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}  # path, decoded and without query
        self.seen: list[Seen] = []
        self.version = "6.0"  # the hub looks whether it is one of its
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def got(self, path: str) -> list[Seen]:
        """Return what arrived for a path that ends so, whatever its query."""
        return [each for each in self.seen if each.path.partition("?")[0].endswith(path)]


def _make_handler(site: HostileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            site.seen.append(Seen(self.command, self.path, headers, body))
            answer = site.pages.get(unquote(self.path.partition("?")[0]), Answer())
            if "upgrade" in headers:
                self.send_response_only(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.close_connection = True
            else:
                self.send_response_only(answer.status)
                self.send_header("Content-Type", answer.type)
                self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("X-JupyterHub-Version", site.version)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if "upgrade" not in headers and self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """What arrives is in `seen`."""

    return Handler
