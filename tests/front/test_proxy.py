"""The lab's proxy as its launcher runs it: the real one, with a server behind it that echoes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes.echo_proxy import EchoProxy
from fakes.hostile_server import HostileServer
from vmlab.hub.proxy import find_proxy

INVENTED = {
    "X-Real-IP": "203.0.113.9",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Scheme": "https",
    "X-Forwarded-Host": "elsewhere",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Server": "elsewhere",
    "Forwarded": "for=203.0.113.9;proto=https",
}
FRONT = "127.0.0.2"


@pytest.fixture(scope="module")
def proxy() -> Iterator[EchoProxy]:
    with (
        tempfile.TemporaryDirectory(prefix="vmlab-") as name,
        EchoProxy(Path(name), front=(FRONT, "198.51.100.0/24")) as running,
    ):
        yield running


def ask(proxy: EchoProxy, headers: dict[str, str], *, source: str = "127.0.0.1") -> dict[str, str]:
    """Return the headers that arrive behind the proxy."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", proxy.port, timeout=30, source_address=(source, 0)
    )
    with closing(connection):
        connection.request("GET", "/", headers=headers)
        return json.loads(connection.getresponse().read())


def through_listener(proxy: EchoProxy, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(proxy.listener))
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


@pytest.mark.attack("log-in.place", "a browser invents where it comes from, in every header")
@pytest.mark.parametrize("name", INVENTED)
def test_a_browser_is_not_believed(proxy: EchoProxy, name: str) -> None:
    got = ask(proxy, {name: INVENTED[name]})
    assert {key: value for key, value in got.items() if key.startswith(("x-", "forwarded"))} == {
        "x-real-ip": "127.0.0.1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": f"127.0.0.1:{proxy.port}",
        "x-forwarded-port": str(proxy.port),
    }


@pytest.mark.attack("log-in.place", "a browser behind the front invents hops before its own")
@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 198.51.100.7", "203.0.113.9"),
        ("203.0.113.9, 127.0.0.2, 198.51.100.7", "203.0.113.9"),
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:127.0.0.2", "203.0.113.9"),
        ("nonsense", FRONT),
        ("203.0.113.9, nonsense", FRONT),
        ("", FRONT),
    ],
)
def test_the_last_hop_that_is_no_front_is_the_client(
    proxy: EchoProxy, hops: str, client: str
) -> None:
    got = ask(proxy, {"X-Forwarded-For": hops, "X-Forwarded-Proto": "https"}, source=FRONT)
    assert got["x-real-ip"] == client
    assert got["x-forwarded-for"] == client
    assert got["x-forwarded-proto"] == "https"


def test_a_front_that_writes_x_real_ip_only_is_believed(proxy: EchoProxy) -> None:
    assert ask(proxy, {"X-Real-IP": "203.0.113.9"}, source=FRONT)["x-real-ip"] == "203.0.113.9"


@pytest.mark.attack(
    "log-in.place", "a machine invents where it comes from, at the proxy's listener"
)
def test_nothing_is_believed_from_a_machine_even_if_everybody_is_a_front(
    short_folder: Path,
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in INVENTED.items())
    request = f"GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{lines}\r\n"
    with EchoProxy(short_folder, front=("127.0.0.0/8", "0.0.0.0/1")) as proxy:
        got = json.loads(through_listener(proxy, request.encode()).partition(b"\r\n\r\n")[2])
    assert got["x-real-ip"] == got["x-forwarded-for"] == "0.0.0.0"
    assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("http", "80")
    assert "forwarded" not in got
    assert "x-scheme" not in got


@pytest.mark.attack("log-in.place", "the same with what opens a WebSocket")
def test_web_sockets_are_not_believed_either(proxy: EchoProxy) -> None:
    request = (
        "GET / HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "X-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(request.encode())
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    got = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert got["x-real-ip"] == got["x-forwarded-for"] == "127.0.0.1"
    assert "forwarded" not in got


@pytest.mark.attack("log-in.place", "a request in the body of another, which the proxy unframes")
@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH"])
def test_no_body_goes_on_as_a_request(proxy: EchoProxy, method: str, tried) -> None:
    # Its sender would write what the proxy writes, and somebody else would get its answer.
    inner = b"GET /inner HTTP/1.1\r\nHost: lab\r\nX-Real-IP: 203.0.113.9\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy.add_route("/unframed", server.getsockname()[1])
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
        head = f"{method} /unframed HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
            client.sendall(head.encode() + body)
            if method in {"DELETE", "OPTIONS"}:
                assert client.recv(65536).startswith(b"HTTP/1.1 411 ")
                server.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    server.accept()
            else:
                hub, _ = server.accept()
                with hub:
                    arrived = b"".join(iter(lambda: hub.recv(1), b"\n")) + hub.recv(65536)
                    while not arrived.endswith(b"0\r\n\r\n"):
                        arrived += hub.recv(65536)
                assert b"transfer-encoding: chunked\r\n" in arrived.lower()
                assert arrived.endswith(body)
    tried(1)


def test_a_body_with_a_length_goes_with_any_method(proxy: EchoProxy) -> None:
    with HostileServer() as server:
        proxy.add_route("/framed", server.port)
        for method in ("DELETE", "PUT"):
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
            with closing(connection):
                connection.request(method, "/framed", body=b"{}")
                assert connection.getresponse().status == 200
        assert [(each.method, each.body) for each in server.seen] == [
            ("DELETE", b"{}"),
            ("PUT", b"{}"),
        ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.attack("worker.processes", "another user's process has the number of the old proxy")
@pytest.mark.parametrize("user", ["nobody", "root"])
def test_a_proxy_of_before_is_the_hub_s_own_process(tmp_path: Path, user: str, tried) -> None:
    words = ["/bin/sh", "-c", "read line", "configurable-http-proxy"]
    pretender = subprocess.Popen(words, user=user, cwd="/", stdin=subprocess.PIPE)
    try:
        pid_file = tmp_path / "proxy.pid"
        pid_file.write_text(str(pretender.pid))
        assert find_proxy(pid_file) == (pretender.pid if user == "root" else None)
    finally:
        pretender.kill()
        pretender.communicate()
    tried(1)


def test_it_is_configurable_http_proxy_with_its_own_command_line(short_folder: Path) -> None:
    with EchoProxy(short_folder) as proxy:
        assert proxy.routes().json()["/"]["target"].startswith("http://127.0.0.1:")
        assert proxy.routes(token="wrong").status_code == 403
        assert int(proxy.pid_file.read_text()) == proxy.process.pid
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(30) == 2
        assert not proxy.pid_file.exists()


def test_the_listener_of_a_proxy_that_was_killed_is_no_obstacle(short_folder: Path) -> None:
    with EchoProxy(short_folder) as first:
        first.process.kill()
        first.process.wait(30)
    assert first.listener.exists()
    with EchoProxy(short_folder) as second:
        answer = through_listener(
            second, b"GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_proxy_with_tls_has_a_listener_without(short_folder: Path) -> None:
    """Machines have no name that a certificate could be for."""
    with EchoProxy(short_folder, tls=True) as proxy:
        assert proxy.get().json()["x-forwarded-proto"] == "https"
        answer = through_listener(
            proxy, b"GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
        )
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["x-forwarded-proto"] == "http"
