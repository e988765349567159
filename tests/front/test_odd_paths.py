"""Paths that nobody has: names that every JavaScript object knows, and what is not a URL at all."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.echo_proxy import EchoProxy
from fakes.hostile_server import HostileServer
from front.conftest import NEVER_GUESSED
from hub.running_hub import RunningHub
from vmlab.lab.origins import LOCAL_NAME, make_origins

BORN_WITH = ("constructor", "__proto__", "toString", "hasOwnProperty", "%5f%5fproto__")
UNREADABLE = (
    "/%zz",
    "/user/ada/%ff",
    "/hub/%",
    "//",
    "//[",
    "/\\",
    "http://[/x",
    "http://x:99999/",
)
NAMED = make_origins(f"http://{LOCAL_NAME}:1/", shared=False, is_chosen=False)
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket"
LIMIT_S = 60


@pytest.fixture(scope="module")
def proxy() -> Iterator[EchoProxy]:
    with (
        tempfile.TemporaryDirectory(prefix="vmlab-") as name,
        EchoProxy(Path(name)) as running,
    ):
        yield running


def first_line(
    proxy: EchoProxy, path: str, *, host: str = "lab", headers: str = "Connection: close"
) -> str:
    """Send what no client library would; return the answer's first line once all of it is there."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT_S) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n".encode("latin1"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.split(b"\r\n", 1)[0].decode()


@pytest.mark.attack("paths.answered", "asks for what every JavaScript object has, as a page")
@pytest.mark.parametrize("word", BORN_WITH)
def test_words_of_the_proxys_language_are_names_like_others(
    proxy: EchoProxy, word: str, tried
) -> None:
    with HostileServer() as machine:
        proxy.add_route("/user/ada", machine.port)
        for path in (f"/{word}", f"/{word}/size", f"/user/{word}/", f"/user/{word}/{word}"):
            assert first_line(proxy, path) == "HTTP/1.1 200 OK", path
            assert first_line(proxy, path, headers=UPGRADE).startswith("HTTP/1.1 101 "), path
        assert not machine.seen
        assert first_line(proxy, f"/user/ada/{word}") == "HTTP/1.1 200 OK"
        assert [each.path for each in machine.seen] == [f"/user/ada/{word}"]
    tried(9)


@pytest.mark.attack("paths.answered", "has a host name that every JavaScript object has")
def test_nor_are_host_names_a_way_around(short_folder: Path, tried) -> None:
    with EchoProxy(short_folder, origins=NAMED) as proxy:
        for word in BORN_WITH:
            line = first_line(proxy, "/user/ada/", host=word)
            assert line.startswith("HTTP/1.1 302 "), "to the hub's own name"
    tried(len(BORN_WITH))


@pytest.mark.attack("paths.answered", "asks for what is not a path, also by what opens a WebSocket")
@pytest.mark.parametrize("path", UNREADABLE)
def test_what_is_no_path_is_nobodys_and_its_connection_ends(
    proxy: EchoProxy, path: str, tried
) -> None:
    for headers in ("Connection: close", UPGRADE):
        assert first_line(proxy, path, headers=headers).split()[1] == "404"
    tried(2)


@pytest.mark.attack("paths.answered", "asks for random paths")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.text("/%.:[]@?#\\ ;az09_\xff", max_size=12), opens_socket=st.booleans())
def test_every_path_gets_an_answer_and_none_is_an_error_of_the_proxy(
    proxy: EchoProxy, path: str, opens_socket: bool
) -> None:
    headers = UPGRADE if opens_socket else "Connection: close"
    status = first_line(proxy, f"/{path}", headers=headers).split()[1]
    assert status in {"101", "200", "400", "404"}  # 400: not even HTTP
    assert proxy.process.poll() is None


@pytest.mark.parametrize("path", ["hub/%ff", "%ff"])
def test_who_mistypes_a_path_reads_a_page(hub: RunningHub, path: str) -> None:
    answer = requests.get(f"{hub.base_url}/{path}", timeout=LIMIT_S)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


@pytest.mark.parametrize("path", ["constructor", "hub/__proto__", "user/constructor/x"])
def test_the_hub_answers_as_to_any_other_name(hub: RunningHub, path: str) -> None:
    session = hub.login(NEVER_GUESSED)
    other = session.get(f"{hub.base_url}/{path.replace('constructor', 'nobody')}", timeout=LIMIT_S)
    answer = session.get(f"{hub.base_url}/{path}", timeout=LIMIT_S)
    assert answer.status_code == other.status_code == 404
    assert "text/html" in answer.headers["Content-Type"]


def test_a_socket_to_a_machine_that_is_gone_ends(short_folder: Path) -> None:
    """A page of it is answered with one of the hub's; here is none, but nobody waits for it."""
    with EchoProxy(short_folder) as proxy:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            proxy.add_route("/user/eve", gone.getsockname()[1])
        assert first_line(proxy, "/user/eve/x", headers=UPGRADE).split()[1] == "503"
        assert requests.get(f"{proxy.url}/user/eve/x", timeout=LIMIT_S).status_code == 503
