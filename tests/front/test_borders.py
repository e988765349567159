"""What the proxy lets pass between browsers, the hub and machines, for both kinds of names."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from dataclasses import dataclass

import pytest

from fakes.echo_proxy import EchoProxy
from fakes.hostile_server import Answer, HostileServer
from vmlab.lab.origins import make_origins

HUB = "vmlab.localhost"
BEYOND = {
    "Service-Worker-Allowed": "/",
    "Clear-Site-Data": '"cookies", "storage"',
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Public-Key-Pins": 'pin-sha256="x"; max-age=1',
    "Alt-Svc": 'h2="elsewhere.example:443"; ma=86400',
    "NEL": '{"report_to": "x", "max_age": 1}',
    "Report-To": '{"group": "x", "max_age": 1, "endpoints": []}',
    "Reporting-Endpoints": 'x="https://elsewhere.example"',
    "Set-Cookie2": "a=b; Path=/",
    "Secure-Session-Registration": '(ES256);path="/user/ada/x";challenge="x"',
    "Sec-Session-Registration": '(ES256);path="/user/ada/x";challenge="x"',
    "Use-As-Dictionary": 'match="/hub/*"',
    "Set-Login": "logged-out",
    "Accept-CH": "Sec-CH-UA-Model",
    "Critical-CH": "Sec-CH-UA-Model",
}
WINDOW = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
# Everything by which a page can ask for something of its own origin.
SCRIPTS = [
    {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin"}
    for mode, dest in [
        ("cors", "empty"),
        ("same-origin", "empty"),
        ("no-cors", "empty"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("same-origin", "serviceworker"),
        ("same-origin", "worker"),
        ("navigate", "iframe"),
        ("navigate", "frame"),
        ("navigate", "object"),
        ("navigate", "embed"),
        ("navigate", "empty"),
        ("websocket", "websocket"),
    ]
]
PAGES = [
    "/hub/home",
    "/hub/token",
    "/hub/vmlab/data",
    "/hub/api/oauth2/authorize?client_id=x",
    "/hub/API/user",
    "/hub/%61pi/user",
    "/hub//api/user",
    "//x/hub/api/user",
    "/hub/nothing",
    "/",
    # The proxy sends these on as pages.
    "/hub/api/../token",
    "/hub/api/%2e%2E/token",
    "/hub/static/.%2e/token",
    "/hub/api\\..\\token",
    "http://elsewhere.example/hub/home",
]


@dataclass(frozen=True)
class Ground:
    """A proxy with a hub that echoes and ada's machine, which is hostile."""

    proxy: EchoProxy
    machine: HostileServer
    shared: bool

    @property
    def machine_host(self) -> str:
        return HUB if self.shared else f"ada-{HUB}"

    def ask(self, path, headers=(), *, host="", method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host or HUB, **dict(headers)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = b"" if answer.status == http.client.SWITCHING_PROTOCOLS else answer.read()
        connection.close()
        return answer, body

    def arrived(self, path, headers=(), **more):
        """Return the headers that arrive at the hub."""
        answer, body = self.ask(path, headers, **more)
        assert answer.status == 200, body
        return json.loads(body)

    def machine_says(self, headers, sent=()):
        """Return what a browser gets of a machine's headers."""
        self.machine.pages["/user/ada/x"] = Answer(headers=headers)
        answer, _ = self.ask("/user/ada/x", sent, host=self.machine_host)
        assert self.machine.got("/user/ada/x"), "it came to the machine"
        return answer.headers


@pytest.fixture(scope="module", params=[False, True], ids=["own-names", "one-name"])
def ground(request, tmp_path_factory):
    origins = make_origins(f"http://{HUB}:8000/", shared=request.param, is_chosen=True)
    with (
        HostileServer() as machine,
        EchoProxy(tmp_path_factory.mktemp("proxy"), origins=origins) as proxy,
    ):
        proxy.add_route("/user/ada" if request.param else f"/ada-{HUB}/user/ada", machine.port)
        yield Ground(proxy, machine, request.param)


@pytest.mark.attack("origin.answers", "sends headers that hold beyond its own pages")
def test_a_machine_speaks_for_its_own_pages_only(ground, tried):
    for sent in ({}, {"Upgrade": "websocket", "Connection": "Upgrade"}):
        got = ground.machine_says([*BEYOND.items(), ("X-Own", "1")], sent)
        assert got["X-Own"] == "1"
        assert [name for name in BEYOND if name in got] == []
        tried(len(BEYOND))


OK = b"HTTP/1.1 200 OK\r\n"
EVIL = b"Set-Cookie: jupyterhub-hub-login=eve; Path=/\r\n"
END = b"Content-Length: 2\r\n\r\nhi"


@pytest.mark.attack("origin.answers", "hides headers from the proxy: splits, folds, repeats, hints")
@pytest.mark.parametrize("sent", [{}, {"Upgrade": "websocket", "Connection": "Upgrade"}])
@pytest.mark.parametrize(
    "answer",
    [
        OK + b"X: a\r" + EVIL + END,
        OK + b"X: a\n" + EVIL + END,
        OK + b"X: a\r\n " + EVIL + END,
        OK + b"X: a\0\r\n" + EVIL + END,
        OK + EVIL.replace(b":", b" :", 1) + END,
        OK + b"Set-Cookie: a=b;\r\n Path=/; Domain=" + HUB.encode() + b"\r\n" + END,
        OK + END + OK + EVIL + END,
        OK.replace(b"OK", b"OK\r" + EVIL) + END,
        b"HTTP/1.1 103 Early Hints\r\n" + EVIL + b"\r\n" + OK + END,
        OK + b"Trailer: Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + EVIL + b"\r\n",
        OK + b"__proto__: x\r\n" + EVIL + END,
    ],
)
def test_no_header_goes_round_the_proxy(ground, answer, sent, tried):
    with socket.create_server(("127.0.0.1", 0)) as machine:

        def serve() -> None:
            connection, _ = machine.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        route = "/user/raw" if ground.shared else f"/ada-{HUB}/user/raw"
        ground.proxy.add_route(route, machine.getsockname()[1])
        with socket.create_connection(("127.0.0.1", ground.proxy.port), timeout=30) as browser:
            headers = {"Host": ground.machine_host, "Connection": "close"} | sent
            lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
            browser.sendall(f"GET /user/raw/ HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
            got = b"".join(iter(lambda: browser.recv(65536), b""))
        thread.join(30)
    assert b"set-cookie" not in got.lower().replace(b"trailer: set-cookie", b"")
    assert ground.arrived("/hub/home", WINDOW), "the proxy goes on"
    tried(1)


@pytest.mark.attack(
    "origin.answers", "breaks off, and leaves a length for the hub's page of errors"
)
def test_nothing_of_a_broken_answer_is_left(ground, tried):
    head = b"HTTP/1.1 200 Own\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as machine:

        def serve() -> None:
            connection, _ = machine.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + b"0\r\nContent-Length: 9\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        route = "/user/broken" if ground.shared else f"/ada-{HUB}/user/broken"
        ground.proxy.add_route(route, machine.getsockname()[1])
        answer, body = ground.ask("/user/broken/", host=ground.machine_host)
        thread.join(30)
    assert (answer.status, answer.reason) == (503, "Service Unavailable")
    assert body.startswith(b"<!doctype html>")
    assert answer.headers["X-Own"] is None
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    tried(1)


@pytest.mark.attack("origin.cookies", "sets cookies that the hub or another machine would be sent")
@pytest.mark.parametrize("sent", [{}, {"Upgrade": "websocket", "Connection": "Upgrade"}])
def test_a_machine_s_cookies_are_for_itself(ground, tried, sent):
    everywhere = [
        "jupyterhub-hub-login=eve; Path=/user/ada/",
        "__Host-jupyterhub-hub-login=eve; Path=/; Secure",
        "__hOsT-jupyterhub-hub-login=eve; Path=/; Secure",
        "jupyterhub-session-id=eve; Path=/user/ada/",
        f"a=b; Path=/user/ada/; Domain={HUB}",
        "a=b; Path=/user/ada/; Domain=localhost",
        "a=b; Path=/user/ada/; domain =.localhost",
        "=jupyterhub-hub-login=eve; Path=/user/ada/",
        "jupyterhub-hub-login; Path=/user/ada/",
        "a=b; Path=/user/ada/\t; Domain=localhost",
        # Python takes these for blanks around the hub's name; browsers do not.
        "jupyterhub-hub-login\x85=eve; Path=/user/ada/",
        "\xa0__Host-jupyterhub-hub-login=eve; Path=/user/ada/",
    ]
    shared_only = [
        "_xsrf=eve; Path=/hub/",
        "_xsrf=eve; Path=/",
        "a=b; Path=/user/ad",
        "a=b; Path=/user/adam/",
        "a=b; Path=/user/ada/; Path=/",
        "a=b; pAtH = /hub",
        "a=b; Path=/user/%",
        "__Host-a=b; Path=/; Secure",
        "a=b; Path\xa0=/user/ada/",  # to a browser that is not a path
        "a=b; Path=/user/ada/; Path=/\xa0",
    ]
    bad = everywhere + (shared_only if ground.shared else [])
    good = [
        "_xsrf=x; Path=/user/ada/; HttpOnly",
        "jupyterhub-user-ada=x; Path=/user/ada/",
        "a=b; Path=/user/%61da/lab",
    ]
    got = ground.machine_says([("Set-Cookie", line) for line in (*bad, *good)], sent)
    assert got.get_all("Set-Cookie") == good
    tried(len(bad))


@pytest.mark.attack("origin.cookies", "gives a path that is one for the proxy only")
def test_a_path_behind_a_blank_that_is_none_to_browsers_is_no_path(ground, tried):
    for path in ("\xa0/user/ada/", "\u00a0/user/ada/lab"):
        got = ground.machine_says([("Set-Cookie", f"a=b; Path={path}")])["Set-Cookie"]
        assert got == f"a=b; Path={path}" + "; Path=/user/ada/" * ground.shared
        tried(1)


def test_a_cookie_without_a_path_is_below_the_machine_s_own(ground):
    # A browser would take "/user%2Fada%2Fx" for a file in "/".
    ground.machine.pages["/user/ada/deep"] = Answer(headers=[("Set-Cookie", "a=b; Path=deep")])
    path = "/user%2Fada%2Fdeep" if ground.shared else "/user/ada/deep"
    answer, _ = ground.ask(path, host=ground.machine_host)
    assert answer.headers["Set-Cookie"] == "a=b; Path=deep" + "; Path=/user/ada/" * ground.shared


def test_with_tls_and_a_name_of_its_own_a_machine_has_cookies_that_stay_with_it(ground):
    line = "__Host-jupyterhub-user-ada=x; Path=/; Secure; HttpOnly"
    got = ground.machine_says([("Set-Cookie", line)])
    assert got["Set-Cookie"] == (None if ground.shared else line)


@pytest.mark.attack("origin.cookies", "reads the hub's cookies out of its visitors' requests")
def test_a_machine_is_not_told_the_hub_s_cookies(ground, tried):
    secret = "a=1; jupyterhub-hub-login=s3; __Host-jupyterhub-hub-login=s3; jupyterhub-user-ada=2"
    for sent in ({}, {"Upgrade": "websocket", "Connection": "Upgrade"}):
        ground.machine_says([], {"Cookie": secret, **sent})
        assert ground.machine.seen[-1].headers["cookie"] == "a=1; jupyterhub-user-ada=2"
        ground.machine_says([], {"Cookie": "jupyterhub-hub-login=s3", **sent})
        assert "cookie" not in ground.machine.seen[-1].headers
    tried(4)


@pytest.mark.attack("origin.windows", "says the hub's own opener policy, itself or by a worker")
def test_a_machine_under_the_hub_s_name_keeps_no_hand_on_windows(ground, tried):
    policy = ("Cross-Origin-Opener-Policy", "same-origin")
    got = ground.machine_says([policy])
    assert got[policy[0]] == (None if ground.shared else "same-origin")
    # A service worker makes answers with headers that the proxy never sees.
    answer, body = ground.ask(
        "/user/ada/sw.js", {"Service-Worker": "script"}, host=ground.machine_host
    )
    assert answer.status == (403 if ground.shared else 200), body
    tried(2)


@pytest.mark.attack("origin.pages", "asks for the hub's pages by anything but a window")
def test_pages_of_the_hub_are_for_windows(ground, tried):
    for path in PAGES:
        assert ground.arrived(path, WINDOW | {"Cookie": "c=1"})["cookie"] == "c=1"
        for script in SCRIPTS:
            answer, body = ground.ask(path, script)
            assert answer.status == 403, (path, script, body)
            assert json.loads(body)["status"] == 403
    tried(len(PAGES) * len(SCRIPTS))


@pytest.mark.attack("origin.api", "asks the API as an image, a frame or without CORS")
def test_the_hub_is_told_that_a_script_asks(ground, tried):
    for script in SCRIPTS:
        got = ground.arrived("/hub/api/users?_xsrf=x", script | {"Cookie": "c=1"})
        assert (got["sec-fetch-mode"], got["cookie"]) == ("cors", "c=1")
    assert ground.arrived("/hub/api/user", WINDOW)["sec-fetch-mode"] == "navigate"
    assert "sec-fetch-mode" not in ground.arrived("/hub/api/user", {"Authorization": "token x"})
    tried(len(SCRIPTS))


@pytest.mark.attack("origin.cookies", "gives its visitor a second log-in cookie on another path")
def test_of_two_log_in_cookies_none_counts_and_the_foreign_one_goes(ground, tried):
    two = {"Cookie": "a=1; jupyterhub-hub-login=eve; jupyterhub-hub-login=ada"}
    headers, body = ground.ask("/hub/user/x?y=/z", WINDOW | two)
    assert json.loads(body)["cookie"] == "a=1"
    gone = headers.headers.get_all("Set-Cookie")
    paths = ["/", "/hub", "/hub/user", "/hub/user/", "/hub/user/x"]
    expired = "jupyterhub-hub-login=; Max-Age=0; Path="
    assert [line for line in gone if "Domain" not in line] == [expired + path for path in paths]
    # The hub's own is /hub/ and for its host alone.
    assert sorted(line for line in gone if "Domain" in line) == sorted(
        f"{expired}{path}; Domain={HUB}" for path in [*paths, "/hub/"]
    )
    assert "cookie" not in ground.arrived("/hub/api/x", {"Cookie": two["Cookie"][5:]} | SCRIPTS[0])
    for blank in "\x85\xa0":  # the hub cuts them off
        for name in (f"jupyterhub-hub-login{blank}", f"{blank}jupyterhub-hub-login"):
            two = {"Cookie": f"a=1; jupyterhub-hub-login=ada; {name}=eve"}
            assert ground.arrived("/hub/home", WINDOW | two)["cookie"] == "a=1"
    same = {"Cookie": "jupyterhub-hub-login=ada"}
    answer, body = ground.ask("/hub/home", WINDOW | same)
    assert json.loads(body)["cookie"] == same["Cookie"]
    assert "Set-Cookie" not in answer.headers
    tried(6)


def test_what_is_the_same_for_everybody_needs_no_cookies(ground):
    for path in ("/hub/static/x.css?v=1", "/hub/vmlab-static/x.js", "/hub/api/../static/x"):
        for headers in (SCRIPTS[3], WINDOW, {}):
            assert "cookie" not in ground.arrived(path, headers | {"Cookie": "c=1"})


def test_a_script_learns_that_a_machine_is_off(ground):
    for path in ("/user/bob/api/kernels", "/hub/user/bob/api/kernels"):
        assert ground.ask(path, SCRIPTS[0])[0].status == 424
        assert ground.arrived(path, WINDOW)


@pytest.mark.attack("origin.name", "asks for the hub's pages at names that are not the hub's")
@pytest.mark.parametrize(
    "host",
    [f"ada-{HUB}", f"bob-{HUB}:8000", "127.0.0.1:8000", "[::1]", f"{HUB}.", f"x.{HUB}", "a b"],
)
def test_the_hub_is_at_its_own_name_only(ground, host, tried):
    paths = ["/hub/login?next=%2Fhub%2Fhome", "/hub/token", "/user/bob/lab?x=1", "/"]
    for path in paths:
        for headers in (WINDOW, {}):
            answer, _ = ground.ask(path, headers | {"Cookie": "c=1"}, host=host)
            assert answer.status == 302
            assert answer.headers["Location"] == f"http://{HUB}:8000{path}"
        for script in SCRIPTS:
            assert ground.ask(path, script, host=host)[0].status in {421, 424}
        assert ground.ask(path, WINDOW, host=host, method="POST")[0].status in {421, 424}
    for path in ("/hub/api/user", "/hub/health", "/hub/static/x"):
        headers = {"Cookie": "c=1", "Authorization": "token x"}
        got = ground.arrived(path, headers, host=host)
        assert "cookie" not in got
        assert got["authorization"] == "token x"
    tried(len(paths) * (3 + len(SCRIPTS)))


def test_a_redirect_leads_to_the_hub_whatever_was_asked_for(ground):
    for path in ("//elsewhere.example/x", "http://elsewhere.example/x", "/\\elsewhere.example"):
        location = ground.ask(path, WINDOW, host="127.0.0.1")[0].headers["Location"]
        assert location.startswith(f"http://{HUB}:8000/")


@pytest.mark.parametrize("host", [HUB, HUB.upper(), f"{HUB}:9000"])
def test_the_hub_s_name_may_be_written_as_names_may(ground, host):
    assert ground.arrived("/hub/home", WINDOW | {"Cookie": "c=1"}, host=host)["cookie"] == "c=1"


def test_without_a_name_of_its_own_the_hub_answers_at_any(tmp_path):
    origins = make_origins("http://127.0.0.1:8000/", shared=True, is_chosen=False)
    with EchoProxy(tmp_path, origins=origins) as proxy, HostileServer() as machine:
        got = Ground(proxy, machine, shared=True).arrived("/hub/home", WINDOW, host="192.0.2.1")
        assert got["host"] == "192.0.2.1"


@pytest.mark.attack("origin.pages", "reads the hub's pages out of the browser's cache")
def test_the_hub_says_what_others_may_do_with_its_answers(ground):
    headers = ground.ask("/hub/home")[0].headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "strict-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Cache-Control" not in ground.ask("/hub/static/x.js")[0].headers
    for path in ("/hub/%", "/user/gone/%", "http://[/x"):
        answer, _ = ground.ask(path, host=ground.machine_host)
        assert answer.status == 404
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    machine, _ = ground.ask("/user/ada/x", host=ground.machine_host)
    assert machine.headers["Content-Security-Policy"] is None
