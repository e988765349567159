"""`vmlab doctor` asks from outside: what it says of web servers, right ones and wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from fakes import names
from fakes.authority import Authority
from fakes.names import LAB_NAME
from fakes.web_servers import RunningWebServer
from vmlab.cli.outside import ask_from_outside, outside_findings
from vmlab.cli.reach import reach_findings
from vmlab.hub.access import read_cli_access
from vmlab.hub.hello import HELLO_PATH
from vmlab.lab.lab import load_lab, parse_lab
from vmlab.network.web_servers import WebServer
from vmlab.paths import Paths
from vmlab.providers.facts import Finding, Level
from web_servers.conftest import NamedLab

OK = [
    ("outside", Level.OK, "this hub answers at "),
    ("machines", Level.OK, f"*.{LAB_NAME} lead to this hub"),
    ("WebSockets", Level.OK, "they open"),
]
FORGED = '{"proof": "é", "scheme": "https", "host": "lab", "client": "192.0.2.1"}'
Nginx = Callable[..., AbstractContextManager[RunningWebServer]]


@pytest.fixture(autouse=True)
def known_authority(lab: NamedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.authority.file))


@pytest.fixture
def nginx(lab: NamedLab, tmp_path: Path) -> Nginx:
    def make(change: Callable[[str], str] = str, **site: object) -> RunningWebServer:
        return RunningWebServer(WebServer.NGINX, lab.site(port=lab.port, **site), tmp_path, change)

    return make


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert re.search(old, text)
        return re.sub(old, new, text)

    return change


async def ask(lab: NamedLab, secret: str = "") -> list[Finding]:
    read = load_lab(lab.hub.folder / "lab.toml")
    secret = secret or read_cli_access(Paths(lab.hub.folder, lab.hub.folder)).token
    return reach_findings(await ask_from_outside(read, secret), read.hub)


async def failures(lab: NamedLab, **how: str) -> dict[str, Finding]:
    return {f.what: f for f in await ask(lab, **how) if f.level is not Level.OK}


async def test_all_is_well_behind_each_web_server(lab: NamedLab, tmp_path: Path) -> None:
    for kind in (WebServer.NGINX, WebServer.APACHE, WebServer.CADDY):
        with RunningWebServer(kind, lab.site(port=lab.port), tmp_path):
            found = await ask(lab)
        assert [(f.what, f.level) for f in found] == [(what, level) for what, level, _ in OK], found
        assert all(f.found.startswith(text) for f, (*_, text) in zip(found, OK, strict=True))


async def test_a_web_server_that_is_off(lab: NamedLab) -> None:
    (finding,) = (await failures(lab)).values()
    assert finding.what == "outside"
    assert f"let port {lab.port} through the firewall" in finding.advice


async def test_names_without_records(
    lab: NamedLab, nginx: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {LAB_NAME}
    here = names._getaddrinfo

    def resolve(host: str, *more: object, **options: object) -> object:
        is_unknown = str(host).endswith(LAB_NAME) and host not in known
        return here("no-such-name.invalid" if is_unknown else host, *more, **options)

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with nginx():
        found = (await failures(lab))["machines"]
        assert found.level is Level.FAIL
        assert f"make a DNS record for *.{LAB_NAME}" in found.advice
        known |= {f"{name}.{LAB_NAME}" for name in ("ada", "admin")}
        found = (await failures(lab))["machines"]
        assert found.level is Level.WARN
        assert "names of accounts work, others do not: doctor-" in found.found
        known.clear()
        assert f"make a DNS record for {LAB_NAME}" in (await failures(lab))["outside"].advice


async def test_a_certificate_for_the_hub_only(lab: NamedLab, nginx: Nginx, tmp_path: Path) -> None:
    certificate, key = lab.authority.issue(LAB_NAME, file="hub-only")
    with nginx(certificate=certificate, key=key):
        found = await failures(lab)
    assert list(found) == ["machines"]
    assert "is not valid for" in found["machines"].found
    assert f"the certificate must be for *.{LAB_NAME}" in found["machines"].advice


@pytest.mark.parametrize("days", [30, -1])
async def test_a_certificate_that_no_browser_takes(
    lab: NamedLab, nginx: Nginx, tmp_path: Path, days: int
) -> None:
    authority = Authority(tmp_path, "Somebody else") if days > 0 else lab.authority
    certificate, key = authority.issue(LAB_NAME, f"*.{LAB_NAME}", file="bad", days=days)
    with nginx(certificate=certificate, key=key):
        found = await failures(lab)
    assert list(found) == ["outside"]
    assert re.search(
        "expired" if days < 0 else "unable to get local issuer", found["outside"].found
    )


@pytest.mark.parametrize(
    ("old", "new", "what", "said"),
    [
        ("proxy_set_header Upgrade .*", "", "WebSockets", "no WebSocket opens"),
        (r"X-Forwarded-Proto https;", "X-Forwarded-Proto http;", "outside", "the hub is told http"),
        (r"(X-Real-IP|X-Forwarded-For) \$remote_addr", r"\1 $http_x_forwarded_for", "outside",
         "browsers can invent the address"),
        (r"Host \$http_host", "Host $proxy_host", "outside", "the hub is told that its name"),
        (r"proxy_pass .*", "return 200 hello;", "outside", "status 200, not from VMLab"),
        (r"proxy_pass .*", f"return 200 '{FORGED}';", "outside", "the hub of another lab answers"),
        (r"proxy_pass .*", "return 502;", "outside", "status 502, not from VMLab"),
    ],
)  # fmt: skip
async def test_web_servers_that_do_it_wrong(
    lab: NamedLab, nginx: Nginx, old: str, new: str, what: str, said: str
) -> None:
    with nginx(replaced(old, new)):
        found = await failures(lab)
    assert said in found[what].found, found
    assert "`vmlab front` prints configurations that do" in found[what].advice


@pytest.mark.attack("tls.doctor", "another hub answers at the lab's name")
async def test_another_labs_hub_is_not_taken_for_this_one(lab: NamedLab, nginx: Nginx) -> None:
    with nginx():
        found = await failures(lab, secret="of another state folder")
    assert "the hub of another lab answers" in found["outside"].found


@pytest.mark.parametrize("query", ["", "?nonce=", f"?nonce={'A' * 32}", f"?nonce={'a' * 33}"])
def test_without_a_number_of_ones_own_nothing_is_told(lab: NamedLab, query: str) -> None:
    answer = requests.get(f"{lab.hub.local_url}{HELLO_PATH}{query}", timeout=60)
    assert answer.status_code == 400
    assert "proof" not in answer.text
    assert not answer.cookies


async def test_without_a_hub_it_says_what_it_did_not_ask(lab: NamedLab, tmp_path: Path) -> None:
    read = load_lab(lab.hub.folder / "lab.toml")
    (finding,) = await outside_findings(read, Paths(tmp_path, tmp_path))
    assert finding.level is Level.WARN
    assert f"not checked: whether this hub answers at {lab.url}/" in finding.found


async def test_without_a_hub_names_are_looked_up_all_the_same(
    lab: NamedLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The host's own resolver, which knows nothing of the lab of the tests.
    monkeypatch.setattr("socket.getaddrinfo", names._resolve)
    read = load_lab(lab.hub.folder / "lab.toml")
    finding, _ = await outside_findings(read, Paths(tmp_path, tmp_path))
    assert (finding.what, finding.level) == ("names", Level.FAIL)
    assert f"make a DNS record for {LAB_NAME}" in finding.advice


async def test_on_this_host_only_browsers_find_the_name_by_themselves(tmp_path: Path) -> None:
    (finding,) = await outside_findings(parse_lab("", tmp_path), Paths(tmp_path, tmp_path))
    assert finding.level is Level.OK
    assert "vmlab.localhost" in finding.found
