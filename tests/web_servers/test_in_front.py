"""The configurations that `vmlab front` prints, run by the real web servers before a real hub."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from fakes.names import LAB_NAME
from fakes.web_servers import RunningWebServer
from vmlab.hub.hello import HELLO_PATH
from vmlab.network.web_servers import WebServer
from vmlab_protocol.archive import MAX_ARCHIVE_BYTES
from web_servers.conftest import NamedLab

RUN = [WebServer.NGINX, WebServer.APACHE, WebServer.CADDY]
BOOT_S = 60.0  # until it has been told
INVENTED = "203.0.113.9"


@pytest.fixture(scope="module", params=RUN)
def front(
    request: pytest.FixtureRequest, lab: NamedLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWebServer]:
    folder = tmp_path_factory.mktemp("front")
    folder.chmod(0o711)
    site = lab.site(port=lab.port)
    with RunningWebServer(request.param, site, folder) as running:
        yield running


@pytest.mark.parametrize("kind", RUN)
def test_the_configuration_for_the_usual_ports_is_accepted(
    kind: WebServer, lab: NamedLab, tmp_path: Path
) -> None:
    site = lab.site(port=443, plain_port=80, address="")
    checked = RunningWebServer(kind, site, tmp_path).check()
    assert checked.returncode == 0, checked.stderr
    accepted = ("Valid configuration", "Syntax OK", "test is successful")
    assert any(words in checked.stdout + checked.stderr for words in accepted)


@pytest.fixture
def trainee(front: RunningWebServer, lab: NamedLab) -> Iterator[str]:
    name = "ada"
    yield name
    lab.hub.set_faults()
    if lab.hub.server(name):
        lab.hub.stop_server(name)


def test_plain_http_leads_to_the_same_place_by_https(
    front: RunningWebServer, lab: NamedLab
) -> None:
    plain = front.site.plain_port
    for host in (LAB_NAME, f"ada.{LAB_NAME}"):
        answer = requests.get(f"http://{host}:{plain}/hub/home?a=%20b", allow_redirects=False)
        assert answer.status_code in {301, 308}
        assert answer.headers["Location"] == f"https://{host}:{lab.port}/hub/home?a=%20b"


@pytest.mark.attack("tls.cookies", "looks at every cookie that a log-in sets, through web servers")
def test_cookies_of_a_log_in_stay_with_the_hub_and_tls(
    front: RunningWebServer, lab: NamedLab, tried
) -> None:
    session = lab.log_in("bob")
    (log_in,) = (cookie for cookie in session.cookies if "login" in cookie.name)
    assert (log_in.name, log_in.path) == ("__Host-jupyterhub-hub-login", "/")
    assert log_in.has_nonstandard_attr("HttpOnly")
    for cookie in session.cookies:
        # The session id is meant for servers too: it opens nothing by itself.
        is_for_all = cookie.name == "jupyterhub-session-id"
        assert (cookie.secure, cookie.domain_specified) == (True, is_for_all), cookie
        same_site = cookie.get_nonstandard_attr("SameSite") or cookie.get_nonstandard_attr(
            "samesite"
        )
        assert same_site == "Lax", cookie
    tried(len(session.cookies))


@pytest.mark.attack("tls.web-server", "invents forwarding headers before each web server")
def test_what_a_browser_invents_does_not_arrive(
    front: RunningWebServer, lab: NamedLab, tried
) -> None:
    inventions = {
        "X-Real-IP": INVENTED,
        "X-Forwarded-For": INVENTED,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Scheme": "http",
        "Forwarded": f"for={INVENTED};proto=http;host=evil.example",
    }
    url = f"{HELLO_PATH}?nonce={secrets.token_hex(16)}"
    context = ssl.create_default_context(cafile=str(lab.authority.file))
    for headers in [inventions, *({name: value} for name, value in inventions.items())]:
        browser = http.client.HTTPSConnection(
            LAB_NAME, lab.port, context=context, source_address=("127.0.0.3", 0), timeout=60
        )
        with contextlib.closing(browser):
            browser.request("GET", url, headers=headers)
            heard = json.loads(browser.getresponse().read())
        assert heard["client"] == "127.0.0.3"
        assert heard["scheme"] == "https"
        assert heard["host"] == f"{LAB_NAME}:{lab.port}"
    tried(len(inventions) + 1)


def test_a_start_is_told_as_it_goes_and_lands_on_the_machines_own_origin(
    front: RunningWebServer, lab: NamedLab, trainee: str
) -> None:
    lab.hub.set_faults(delays_s={"boot": BOOT_S})
    session = lab.log_in(trainee)
    token = lab.hub.user_token(trainee)
    headers = {"Authorization": f"token {token}"}
    session.post(f"{lab.url}/hub/api/users/{trainee}/server", headers=headers).raise_for_status()
    progress = f"{lab.url}/hub/api/users/{trainee}/server/progress"
    told: list[bool] = []
    with session.get(progress, headers=headers, stream=True, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith(b"data:"):
                told.append(bool(lab.hub.server(trainee).get("ready")))
                lab.hub.set_faults()
                if json.loads(line[5:]).get("ready"):
                    break
    assert told[0] is False, "the first event came after the end: something held it back"
    page = session.get(f"{lab.url}/user/{trainee}/", timeout=60)
    assert page.url.startswith(f"{lab.machine_url(trainee)}/user/{trainee}/")
    assert page.json() == {"fake": True}


def test_web_sockets_pass_both_ways(front: RunningWebServer, lab: NamedLab, trainee: str) -> None:
    lab.hub.start_server(trainee)
    context = ssl.create_default_context(cafile=str(lab.authority.file))
    url = f"{lab.machine_url(trainee)}/user/{trainee}/echo".replace("https:", "wss:")

    async def talk() -> str | bytes | None:
        request = HTTPRequest(url, ssl_options=context)
        with contextlib.closing(await websocket_connect(request)) as opened:
            await opened.write_message("it goes round")
            return await opened.read_message()

    assert IOLoop(make_current=False).run_sync(talk) == "it goes round"


@pytest.mark.parametrize(("more_bytes", "status"), [(0, 400), (1, 413)])
def test_the_largest_course_passes_and_the_hub_itself_refuses_more(
    front: RunningWebServer, lab: NamedLab, more_bytes: int, status: int
) -> None:
    answer = lab.browser_session().post(
        f"{lab.url}/hub/api/vmlab/courses/large",
        data=bytes(MAX_ARCHIVE_BYTES + more_bytes),
        headers={"Authorization": f"token {lab.hub.cli_token}"},
        timeout=120,
    )
    assert answer.status_code == status, answer.text
    assert "archive" in answer.json()["message"] or "at most" in answer.json()["message"]
