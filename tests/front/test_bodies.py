"""Large and slow bodies at a real hub: nothing is held before it is known who sends it."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.hub.proxy import find_proxy

BODIES = 20
BODY_BYTES = 95 * 2**20
MAX_GROWTH_MIB = 50
MAX_GROWTH_OF_THE_PROXY_MIB = 300  # what Node.js has not yet collected of what it passed on

Connect = Callable[[], socket.socket]


def ways(hub: RunningHub) -> dict[str, Connect]:
    """How a request can come to the hub."""

    def by_tcp(port: int) -> Connect:
        return lambda: socket.create_connection(("127.0.0.1", port), timeout=60)

    def by_listener(name: str) -> Connect:
        def connect() -> socket.socket:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(hub.folder / "doors" / name))  # waits while the line is full
            client.settimeout(60)
            return client

        return connect

    # The way that the hub's own processes take.
    inner = re.search(r"Hub API listening on (http://[^/]+)", hub.log.read_text())
    assert inner
    return {
        "proxy": by_tcp(hub.port),
        "hub": by_tcp(urlsplit(inner.group(1)).port or 0),
        "hub's listener": by_listener("hub.sock"),
        "proxy's listener": by_listener("proxy.sock"),
    }


class Memory:
    """How much a process takes, and took at most since this was made."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        (self._folder / "clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def growth_mib(self) -> float:
        return self._read("VmHWM") - self._before

    def _read(self, field: str) -> float:
        found = re.search(rf"{field}:\s+(\d+) kB", (self._folder / "status").read_text())
        assert found
        return int(found.group(1)) / 1024


def send(connect: Connect, head: str, length: int) -> bytes:
    """Send a body until there is an answer, or the connection is cut off; return the answer."""
    chunk = bytes(2**20)
    with connect() as client:
        client.sendall(f"{head}\r\nHost: hub\r\nContent-Length: {length}\r\n\r\n".encode())
        client.setblocking(False)
        try:
            while True:
                readable, writable, _ = select.select([client], [client] if length else [], [], 60)
                if readable or not writable:
                    return client.recv(1000)
                length -= client.send(chunk[:length])
        except ConnectionError:
            return b""


@pytest.mark.attack("bodies.memory", "20 bodies of 95 MiB at the same time, from nobody")
@pytest.mark.parametrize(
    ("way", "head"),
    [
        ("proxy", "POST /hub/login HTTP/1.1"),
        ("proxy", "POST /hub/api/users HTTP/1.1"),
        ("proxy", "POST /hub/api/vmlab/courses/first-steps HTTP/1.1"),
        ("hub", "POST /hub/login HTTP/1.1"),
        ("hub", "POST /hub/api/vmlab/courses/first-steps HTTP/1.1"),
        ("hub's listener", "POST /hub/api/oauth2/token HTTP/1.1"),
        ("hub's listener", "POST /hub/login HTTP/1.1"),
        ("hub's listener", "POST /hub/api/vmlab/progress HTTP/1.1"),
        ("proxy's listener", "POST /hub/login HTTP/1.1"),
    ],
)
def test_bodies_are_not_held(
    hub: RunningHub, tried: Callable[[int], None], way: str, head: str
) -> None:
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    connect = ways(hub)[way]
    memories = [Memory(hub.pid), Memory(find_proxy(hub.folder / "proxy.pid") or 0)]
    with ThreadPoolExecutor(BODIES) as pool:
        answers = list(pool.map(lambda _: send(connect, head, BODY_BYTES), range(BODIES)))
    tried(BODIES)
    assert not [answer for answer in answers if answer[9:10] == b"2"]
    hub_mib, proxy_mib = (memory.growth_mib() for memory in memories)
    assert hub_mib < MAX_GROWTH_MIB
    assert proxy_mib < MAX_GROWTH_OF_THE_PROXY_MIB
    assert requests.get(f"{hub.base_url}/hub/health", timeout=30).ok
    assert "MemoryError" not in hub.log.read_text()


def hello_socket(hub: RunningHub) -> bytes:
    """Return the request for the one web socket of the hub's that nobody needs to log in for."""
    host = urlsplit(hub.base_url).netloc
    return (
        f"GET /hub/vmlab/hello/socket?nonce={'0' * 32} HTTP/1.1\r\nHost: {host}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


@pytest.mark.attack("bodies.memory", "20 web sockets that say 10 MiB each, from nobody")
@pytest.mark.parametrize("way", ["proxy", "hub", "proxy's listener"])
def test_web_sockets_are_not_held(hub: RunningHub, tried: Callable[[int], None], way: str) -> None:
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    connect, memory, head = ways(hub)[way], Memory(hub.pid), hello_socket(hub)
    frame = b"\x82\xff" + (10 * 2**20).to_bytes(8) + bytes(10 * 2**20)

    def talk() -> bytes:
        with connect() as client:
            client.sendall(head)
            answer = client.recv(12)
            with suppress(ConnectionError):  # it is cut off
                client.sendall(frame)
                while client.recv(65536):
                    pass
            return answer

    with ThreadPoolExecutor(BODIES) as pool:
        answers = list(pool.map(lambda _: talk(), range(BODIES)))
    tried(BODIES)
    assert answers == [b"HTTP/1.1 101"] * BODIES
    assert memory.growth_mib() < MAX_GROWTH_MIB


@pytest.mark.attack("bodies.time", "goes on sending when the web socket's server has ended")
@pytest.mark.parametrize("way", ["proxy", "hub", "proxy's listener"])
def test_web_sockets_that_the_server_ended_are_not_kept(
    hub: RunningHub, tried: Callable[[int], None], way: str
) -> None:
    """http-proxy-3 reads no more then, and keeps the connection for as long as the other likes."""
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    with ways(hub)[way]() as client:
        client.sendall(hello_socket(hub))
        client.sendall(b"\x82\xff" + (10 * 2**20).to_bytes(8))  # more than the hub takes
        with pytest.raises(ConnectionError):
            send_after_the_end(client)
    tried(1)


def send_after_the_end(client: socket.socket) -> None:
    while client.recv(1000):
        pass
    client.sendall(bytes(100 * 2**20))


@pytest.mark.attack("bodies.time", "20 bodies that never end, at the real hub")
@pytest.mark.parametrize("way", ["proxy", "hub", "proxy's listener"])
def test_bodies_do_not_last(hub: RunningHub, tried: Callable[[int], None], way: str) -> None:
    """Two seconds in this hub, instead of thirty."""
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    connect = ways(hub)[way]
    head = b"POST /hub/login HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\nusername="

    def wait_for_end() -> float:
        with connect() as client:
            client.sendall(head)
            began = time.monotonic()
            client.recv(1000)
            return time.monotonic() - began

    with ThreadPoolExecutor(BODIES) as pool:
        waits = list(pool.map(lambda _: wait_for_end(), range(BODIES)))
    tried(BODIES)
    assert max(waits) < 30


def test_a_trainer_may_send_large_ones_at_any_speed_of_the_class(hub: RunningHub) -> None:
    """What the hub refuses of others, a handler takes that knows its caller."""

    def slowly() -> Iterator[bytes]:
        until = time.monotonic() + 3  # longer than bodies of others may take in this hub
        while time.monotonic() < until:
            yield bytes(2**19)
            time.sleep(0.2)

    token = hub.user_token("trainer")
    answer = hub.api("POST", "vmlab/courses/first-steps", token=token, data=slowly())
    assert answer.status_code == 400, "no archive, but it was read to its end"
    assert "archive" in answer.json()["message"]


@pytest.mark.parametrize("way", ["proxy", "hub's listener"])
def test_a_request_that_waits_is_no_slow_body(hub: RunningHub, way: str) -> None:
    """The answer comes after twice the time that a body may take in this hub."""
    if not hub.server("eve"):
        hub.start_server("eve")
    token = hub.server_token("eve")
    known = hub.api("GET", "vmlab/courses", token=token).json()["digest"]
    head = (
        f"GET /hub/api/vmlab/courses?known={known}&wait=4 HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: token {token}\r\nConnection: close\r\n\r\n"
    )
    began = time.monotonic()
    with ways(hub)[way]() as client:
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began >= 4


@pytest.mark.attack("bodies.connections", "1500 connections through the listeners, kept open")
@pytest.mark.parametrize("way", ["hub's listener", "proxy's listener"])
def test_the_hub_goes_on_behind_full_listeners(
    hub: RunningHub, tried: Callable[[int], None], way: str
) -> None:
    """This hub was started with 1024 descriptors, as every program is."""
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    connect = ways(hub)[way]
    with ExitStack() as kept:
        for _ in range(1500):
            kept.enter_context(connect())
        tried(1500)
        assert requests.get(f"{hub.api_url}/", timeout=30).ok
        assert hub.server("ada") == {}
    assert "Too many open files" not in hub.log.read_text()
