"""The hub's listener for machines: passes on a few calls of the API, and trusts nobody.

A machine asks for its own affairs with its server's token, and for nothing else: no login, no
pages, no cookies. Headers in which it says where it comes from are removed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from vmlab.network.limits import MAX_OF_ONE, most_connections
from vmlab.network.relay import find_peer

# What single-user servers ask for, and VMLab's own API (docs/protocols.md, section 2). Paths are
# compared as they are sent: a spelling that the hub would read differently is not admitted.
# Methods are named, because the hub keeps a counter for every one that it ever saw.
_ADMITTED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(GET|HEAD) /hub/api/?",
        r"GET /hub/api/user",
        r"POST /hub/api/oauth2/token",
        r"POST /hub/api/users/[^/]+/activity",
        r"(GET|HEAD|POST|PUT|PATCH|DELETE) /hub/api/vmlab/.*",
    )
)
_NOT_BELIEVED: Final = re.compile(
    r"cookie|forwarded|x-forwarded-.*|x-real-ip|x-scheme", re.IGNORECASE
)
_REFUSAL: Final = b'{"status": 404, "message": "machines may not request this from the hub"}'


@dataclass(frozen=True)
class ListenerLimits:
    """What one connection may cost, and how many there are."""

    body_bytes: int = 128 * 1024  # twice what a handler takes, so that it can say no itself
    header_bytes: int = 16 * 1024
    body_s: float = 15.0
    silence_s: float = 60.0  # until a request's headers are complete
    connections: int = 0  # 0: by what this process may open


def is_admitted(method: str, path: str) -> bool:
    """Tell whether a machine may ask for this; the path is without its query."""
    return any(pattern.fullmatch(f"{method} {path}") for pattern in _ADMITTED)


class ListenerServer(HTTPServer):
    """An HTTP server whose connections are counted, all of them and those of each machine."""

    most = 0

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Set up the server: tornado's way of a constructor."""
        super().initialize(*args, **kwargs)
        self._peers: WeakKeyDictionary[IOStream, tuple[int, int]] = WeakKeyDictionary()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a connection, or end it at once when there are too many."""
        peer = self._peers[stream] = find_peer(stream.socket)
        theirs = sum(self._peers.get(each.stream) == peer for each in self._connections)
        if len(self._connections) >= self.most or theirs >= MAX_OF_ONE:
            stream.close()
            return
        super().handle_stream(stream, address)


def make_hub_listener(
    application: HTTPServerConnectionDelegate, limits: ListenerLimits | None = None
) -> HTTPServer:
    """Return a server of the hub's application for machines; sockets are added to it."""
    limits = limits or ListenerLimits()
    server = ListenerServer(
        _Filter(application),
        xheaders=False,
        max_body_size=limits.body_bytes,
        max_header_size=limits.header_bytes,
        body_timeout=limits.body_s,
        idle_connection_timeout=limits.silence_s,
    )
    server.most = limits.connections or most_connections()
    return server


class _Filter(HTTPServerConnectionDelegate):
    """Passes requests on to the application when they are admitted."""

    def __init__(self, application: HTTPServerConnectionDelegate) -> None:
        self._application = application

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        inner = self._application.start_request(server_conn, request_conn)
        return _Admission(inner, request_conn)


class _Admission(HTTPMessageDelegate):
    """One request on its way in."""

    def __init__(self, inner: HTTPMessageDelegate, connection: HTTPConnection) -> None:
        self._inner = inner
        self._connection = connection
        self._is_admitted = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - this is a server
        self._is_admitted = is_admitted(start_line.method, start_line.path.partition("?")[0])
        if not self._is_admitted:
            self._refuse()
            return None
        for name in [name for name in headers if _NOT_BELIEVED.fullmatch(name)]:
            del headers[name]
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk) if self._is_admitted else None

    def finish(self) -> None:
        if self._is_admitted:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if self._is_admitted:
            self._inner.on_connection_close()

    def _refuse(self) -> None:
        headers = HTTPHeaders(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(_REFUSAL)),
                "Connection": "close",
            }
        )
        self._connection.write_headers(ResponseStartLine("HTTP/1.1", 404, "Not Found"), headers)
        self._connection.write(_REFUSAL)
        self._connection.finish()
