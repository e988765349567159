"""The hub's listener for machines: a real server on a unix socket, the application only tells."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tornado import web
from tornado.netutil import bind_unix_socket

from vmlab.network.hub_listener import ListenerLimits, make_hub_listener

LIMITS = ListenerLimits(
    body_bytes=1000, header_bytes=4096, body_s=0.3, silence_s=0.3, connections=3
)
Ask = Callable[..., Awaitable[bytes]]


class Telling(web.RequestHandler):
    """Answers with what arrived."""

    async def get(self, *_: str) -> None:
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        self.write({"ip": self.request.remote_ip, "headers": headers})

    post = get


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    """The listener's socket, with small limits."""
    with tempfile.TemporaryDirectory(prefix="vmlab-") as folder:
        path = Path(folder) / "hub.sock"
        server = make_hub_listener(web.Application([(r"/(.*)", Telling)]), LIMITS)
        server.add_socket(bind_unix_socket(str(path)))
        yield path
        server.stop()
        await server.close_all_connections()


async def ask(path: Path, request: bytes) -> bytes:
    """Send this and return all that comes until the listener closes the connection."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionError:  # closed while there was more to read
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def make_request(line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: hub", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    "line",
    [
        "GET /hub/api",
        "GET /hub/api/",
        "GET /hub/api/user",
        "POST /hub/api/oauth2/token",
        "POST /hub/api/users/ada/activity",
        "POST /hub/api/users/ada%40example.org/activity",
        "GET /hub/api/vmlab/courses?known=1&wait=25",
        "GET /hub/api/vmlab/courses/first-steps/1",
        "POST /hub/api/vmlab/progress",
    ],
)
async def test_what_machines_need_is_admitted(path: Path, line: str) -> None:
    assert (await ask(path, make_request(line))).startswith(b"HTTP/1.1 200 ")


NOT_ADMITTED = [
    "GET /",
    "GET /hub/login",
    "POST /hub/login",
    "POST /hub/login?next=/hub/api/user",
    "GET /hub/home",
    "GET /hub/token",
    "GET /hub/api/users",
    "GET /hub/api/users/ada",
    "POST /hub/api/users/ada/tokens",
    "POST /hub/api/users/ada/server",
    "POST /hub/api/users/ada/activity/more",
    "GET /hub/api/users/ada/bob/activity",
    "POST /hub/api/user",
    "GET /hub/api/oauth2/authorize",
    "POST /hub/api/oauth2/authorize",
    "POST /hub/api/shutdown",
    "GET /hub/api/proxy",
    "GET /hub/metrics",
    "INVENTED17 /hub/api/vmlab/progress",
    "CONNECT /hub/api/vmlab/progress",
    "GET /hub/api/vmlab",
    "GET /hub//api/user",
    "GET /hub/api/%75ser",
    "GET /hub/api/user/",
    "GET /hub/api/user%3F",
    "GET http://hub/hub/api/user",
    "GET //hub/api/user",
    "GET /hub/api/user;/hub/login",
]


@pytest.mark.attack(
    "bodies.listener", "asks at the listener for log-in, pages and other people's affairs"
)
@pytest.mark.parametrize("line", NOT_ADMITTED)
async def test_anything_else_is_not(path: Path, line: str) -> None:
    answer = await ask(path, make_request(line, "Cookie: jupyterhub-session-id=1"))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"may not request this from the hub" in answer


@pytest.mark.attack("log-in.place", "a machine invents where it comes from, at the hub's listener")
async def test_nothing_is_believed(path: Path) -> None:
    headers = (
        "X-Real-IP: 203.0.113.9",
        "x-forwarded-for: 203.0.113.9",
        "X-FORWARDED-PROTO: https",
        "X-Scheme: https",
        "Forwarded: for=203.0.113.9",
        "Cookie: jupyterhub-hub-login=x",
        "Authorization: token t",
    )
    answer = await ask(path, make_request("GET /hub/api/user", *headers))
    got = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert got["ip"] == "0.0.0.0"
    assert set(got["headers"]) == {"host", "connection", "authorization"}


@pytest.mark.attack("bodies.size", "sends more than the listener takes, announced and in chunks")
@pytest.mark.parametrize(
    "request_",
    [
        make_request("POST /hub/api/oauth2/token", body=bytes(1001)),
        make_request("POST /hub/api/oauth2/token", "Content-Length: 99999999999"),
        make_request("POST /hub/api/oauth2/token", "Transfer-Encoding: chunked")
        + b"400\r\n" + bytes(1024) + b"\r\n",
        make_request("GET /hub/api/user", f"X: {'x' * 5000}"),
        b"GET /hub/api/user?" + b"x" * 100_000,
    ],
    ids=["body", "announced", "chunks", "header", "url"],
)  # fmt: skip
async def test_too_much_is_cut_off(path: Path, request_: bytes) -> None:
    assert await ask(path, request_) in {b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"}


@pytest.mark.attack(
    "bodies.time", "opens connections at the listener and goes on slowly or not at all"
)
@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /hub/api/us",
        b"GET /hub/api/user HTTP/1.1\r\nHost: hub\r\n",
        b"POST /hub/api/oauth2/token HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n",
        b"POST /hub/api/oauth2/token HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\nfew",
        b"POST /hub/api/oauth2/token HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1",
    ],
    ids=["nothing", "line", "headers", "no body", "some body", "chunk"],
)
async def test_whoever_is_slow_is_cut_off(path: Path, request_: bytes) -> None:
    assert await asyncio.wait_for(ask(path, request_), 20) == b""


async def test_a_body_of_the_largest_size_is_taken(path: Path) -> None:
    answer = await ask(path, make_request("POST /hub/api/oauth2/token", body=bytes(1000)))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.attack("bodies.connections", "opens more connections than the listener keeps")
async def test_connections_are_counted(path: Path, tried: Callable[[int], None]) -> None:
    line = make_request("GET /hub/api/user").replace(b"close", b"keep-alive")
    kept = []
    for _ in range(3):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        kept.append(writer)
    assert await ask(path, b"") == b""
    tried(4)
    kept[0].close()
    async with asyncio.timeout(20):  # until the listener has seen the one that left
        while not await ask(path, make_request("GET /hub/api/user")):
            pass
    for writer in kept:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
