"""Progress over HTTP, against a real hub: who may report, what, and how much."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from fakes.courses import make_files
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.courses import pack_course

REPORT = {"course": "first-steps", "exercise": "01-who", "step": "user", "passed": True}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        for name in ("ada", "bob", "eve"):
            running.start_server(name)
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running


def row(hub, name: str) -> dict:
    answer = hub.api("GET", "vmlab/board", token=hub.user_token("admin"))
    answer.raise_for_status()
    (found,) = (r for r in answer.json()["rows"] if r["user"] == name)
    return found


def post(hub, token: str, body: object = REPORT):
    return hub.api("POST", "vmlab/progress", token=token, json=body)


def until(hub, name: str, condition) -> dict:
    """The board's answers are up to a second old: ask until it shows what must come."""
    return wait_until(lambda: condition(found := row(hub, name)) and found)


def test_the_token_says_who_and_the_body_does_not(hub):
    body = REPORT | {"user": "bob", "server": "x"}
    post(hub, hub.server_token("ada"), body).raise_for_status()
    found = until(hub, "ada", lambda r: r["passed"] == 1)
    assert found["steps"]["01-who/user"]["passed"] is True
    assert row(hub, "bob")["steps"] == {}


@pytest.mark.attack("volumes.one-limit", "invents servers, each with reports to be kept of its own")
def test_a_server_that_there_is_not_says_nothing(hub, tried):
    invented = hub.user_token("ada", ["access:servers!server=ada/invented"])
    assert post(hub, invented).status_code == 403
    body = {"course": "first-steps", "version": 1, "kept": []}
    assert hub.api("POST", "vmlab/receipts", token=invented, json=body).status_code == 403
    assert hub.api("GET", "vmlab/courses", token=invented).status_code == 403
    tried(3)


def test_attempts_are_counted(hub):
    for passed in (False, False, True):
        hub.report("bob", "01-who/home-disk", passed=passed).raise_for_status()
    found = until(hub, "bob", lambda r: r["passed"] == 1)
    assert found["steps"]["01-who/home-disk"]["attempts"] == 3


@pytest.mark.parametrize("user", ["ada", "facilitator", "trainer", "admin"])
def test_nobody_reports_with_a_token_of_their_own(hub, user):
    # Its note even says "Server at /user/ada/".
    assert post(hub, hub.user_token(user)).status_code == 403


def test_a_service_does_not_report(hub):
    assert post(hub, hub.cli_token).status_code == 403


def test_a_browser_does_not_report(hub):
    session = hub.login("ada")
    xsrf = session.cookies.get("_xsrf", path="/hub/")
    answer = session.post(
        f"{hub.api_url}/vmlab/progress", json=REPORT, headers={"X-XSRFToken": xsrf}, timeout=60
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        REPORT | {"step": "nothing"},
        REPORT | {"exercise": "99-nothing"},
        REPORT | {"course": "nothing"},
        REPORT | {"course": "x" * 41},
        REPORT | {"step": 7},
        REPORT | {"passed": 1},
        REPORT | {"passed": "true"},
        {},
        [],
        None,
        "text",
    ],
)
def test_nonsense_is_refused(hub, body):
    answer = post(hub, hub.server_token("bob"), body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"status", "message"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"a": 1e999999}'])
def test_broken_bodies_are_refused(hub, data):
    answer = hub.api("POST", "vmlab/progress", token=hub.server_token("bob"), data=data)
    assert answer.status_code == 400
    assert "Traceback" not in hub.log.read_text()


def test_an_announced_large_body_is_refused_before_it_comes(hub):
    """The answer is there although the body never comes.

    Asked as machines do, past the proxy, which passes nothing on before a body's first byte.
    """
    where = urlsplit(hub.server_env("bob")["JUPYTERHUB_API_URL"])
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(
            b"POST /hub/api/vmlab/progress HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: token " + hub.server_token("bob").encode() + b"\r\n"
            b"Content-Length: 65537\r\n\r\n"
        )
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_large_body_of_unknown_length_is_refused(hub):
    chunks = (b"x" * 8192 for _ in range(20))
    answer = hub.api("POST", "vmlab/progress", token=hub.server_token("bob"), data=chunks)
    assert answer.status_code == 413


def test_just_below_the_limit_is_read(hub):
    body = json.dumps(REPORT | {"padding": ""})
    body = body.replace('"padding": "', '"padding": "' + "x" * (64 * 1024 - len(body)))
    answer = hub.api("POST", "vmlab/progress", token=hub.server_token("bob"), data=body)
    assert len(body) == 64 * 1024
    assert answer.status_code == 200


def test_a_flood_is_stopped_and_hits_nobody_else(hub):
    token = hub.server_token("eve")
    answers = [post(hub, token) for _ in range(150)]  # one a second is given back
    statuses = [answer.status_code for answer in answers]
    assert statuses[:60] == [200] * 60
    assert 429 in statuses[60:]
    refused = answers[statuses.index(429)]
    assert int(refused.headers["Retry-After"]) >= 1
    hub.report("ada", "01-who/user").raise_for_status()


def test_a_machine_that_was_stopped_has_no_say(hub):
    hub.add_user("zoe")
    hub.start_server("zoe")
    token = hub.server_token("zoe")
    post(hub, token).raise_for_status()
    hub.api("DELETE", "users/zoe/server").raise_for_status()
    assert post(hub, token).status_code == 403


def test_refusals_do_not_break_the_proxys_connections(hub):
    """Each refusal comes before the body was read; the next request must not be lost by that."""
    token = hub.user_token("bob")
    statuses = set()
    for _ in range(60):
        statuses.add(hub.api("GET", "vmlab/courses", token=token).status_code)
        statuses.add(post(hub, token).status_code)
    assert statuses == {403}
