"""TLS that VMLab's own proxy speaks: renewed under it, checked before it, asked from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from fakes.authority import Authority
from fakes.echo_proxy import EchoProxy
from fakes.names import LAB_NAME
from fakes.waiting import wait_until
from hub.lab_operator import LIMIT_S, Operator
from vmlab.cli import main
from vmlab.system.host import find_free_port

NAMES = (LAB_NAME, f"*.{LAB_NAME}", "127.0.0.1")
TAKE_UP_LIMIT_S = 120


class TlsProxy(EchoProxy):
    """The lab's proxy with a certificate, and a port for plain HTTP."""

    def __init__(self, folder: Path, certificate: Path, key: Path) -> None:
        super().__init__(folder)
        self.plain_port = find_free_port()
        self.certificate, self.key = certificate, key
        settings = json.loads(self.command[3])
        settings["plain"] = {"port": self.plain_port, "to_port": self.port}
        self.command[3] = json.dumps(settings)
        self.command += ["--ssl-cert", str(certificate), "--ssl-key", str(key)]

    def _answers(self) -> bool:
        # Who waits for a certificate that is served looks at the log first.
        with contextlib.suppress(OSError):
            return self.served() > 0 and self.routes().ok
        return False

    def served(self) -> int:
        """Return the serial number of what is served to who comes now."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        with contextlib.closing(connection):
            connection.connect()
            shown = connection.sock.getpeercert(binary_form=True)
            assert shown
            return serial(ssl.DER_cert_to_PEM_cert(shown).encode())


def serial(pem: bytes) -> int:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).serial_number


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def proxy(tmp_path: Path, authority: Authority) -> Iterator[TlsProxy]:
    with TlsProxy(tmp_path, *authority.issue(*NAMES)) as running:
        yield running


def test_a_renewed_certificate_is_taken_up_and_connections_stay(
    tmp_path: Path, authority: Authority
) -> None:
    """The files are links, as certbot's are: a renewal leaves the old files and moves the links."""
    links = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    move_links(links, authority.issue(*NAMES, file="first"))
    with TlsProxy(tmp_path, *links) as proxy:
        check_renewal(proxy, authority, lambda: move_links(links, authority.issue(*NAMES)))


def move_links(links: tuple[Path, ...], files: tuple[Path, ...]) -> None:
    for link, file in zip(links, files, strict=True):
        part = link.with_suffix(".part")
        part.symlink_to(file)
        part.rename(link)


def check_renewal(proxy: TlsProxy, authority: Authority, renew: Callable[[], None]) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    before = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=60)
    before.connect()
    first = proxy.served()
    with contextlib.closing(before):
        renew()
        wanted = serial(proxy.certificate.read_bytes())
        assert wanted != first
        wait_until(lambda: proxy.served() == wanted, TAKE_UP_LIMIT_S)
        before.request("GET", "/")
        assert before.getresponse().status == 200


def test_a_pair_that_does_not_fit_leaves_the_one_before(
    proxy: TlsProxy, authority: Authority
) -> None:
    first, key = proxy.served(), proxy.key.read_bytes()
    authority.issue(*NAMES)
    renewed = proxy.key.read_bytes()
    proxy.key.write_bytes(key)
    said = "not used: it does not match the key"
    wait_until(lambda: said in proxy.log.read_text(), TAKE_UP_LIMIT_S)
    assert proxy.served() == first
    proxy.key.write_bytes(b"half a f")
    wait_until(lambda: proxy.log.read_text().count("not used") > 1, TAKE_UP_LIMIT_S)
    assert proxy.served() == first
    proxy.key.write_bytes(renewed)
    wanted = serial(proxy.certificate.read_bytes())
    wait_until(lambda: proxy.served() == wanted, TAKE_UP_LIMIT_S)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_protocols_are_those_of_today(proxy: TlsProxy, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    old = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=60)
    with contextlib.closing(old), pytest.raises(ssl.SSLError):
        old.connect()


@pytest.mark.attack("tls.plain-http", "asks by plain HTTP with hosts and paths that lead elsewhere")
def test_plain_http_leads_to_tls_and_nowhere_else(proxy: TlsProxy, tried) -> None:
    def ask(path: str, host: str | None) -> http.client.HTTPResponse:
        plain = http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=60)
        with contextlib.closing(plain):
            plain.putrequest("GET", path, skip_host=True)
            if host is not None:
                plain.putheader("Host", host)
            plain.endheaders()
            answer = plain.getresponse()
            answer.read()
            return answer

    for host in (f"ada.{LAB_NAME}", f"ada.{LAB_NAME}:80"):
        answer = ask("/hub/home?a=%20b", host)
        assert answer.status == 301
        assert answer.headers["Location"] == f"https://ada.{LAB_NAME}:{proxy.port}/hub/home?a=%20b"
    hosts = ("evil.example/", "evil.example?", "a@evil.example", "evil.example#", "", "a b", "a\\b")
    for host in hosts:
        assert ask("/", host).status == 400
    assert ask("http://evil.example/", LAB_NAME).status == 400
    tried(len(hosts) + 1)


class NamedOperator(Operator):
    """An operator on a host whose resolver knows the lab: commands are processes of their own."""

    def words(self, *words: str) -> list[str]:
        known = "from fakes.names import resolve_localhost; resolve_localhost(); "
        return [sys.executable, "-c", f"{known}from vmlab.cli import main; main()", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )


@pytest.fixture
def operator(tmp_path: Path, authority: Authority) -> Iterator[NamedOperator]:
    operator = NamedOperator(tmp_path)
    operator.env |= {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SSL_CERT_FILE": str(authority.file),
    }
    operator.url = f"https://{LAB_NAME}:{operator.port}/"
    hub = (
        f'url = "{operator.url}"\ncertificate = "lab.pem"\nkey = "lab.key"\n'
        f"redirect_port = {find_free_port()}\n"
    )
    operator.lab.write_text(operator.lab.read_text().replace("[hub]\n", f"[hub]\n{hub}"))
    yield operator
    operator.clean_up()


def doctor(operator: Operator) -> dict[str, dict[str, str]]:
    return {f["what"]: f for f in json.loads(operator.run("doctor", "--json").stdout)["findings"]}


def test_up_and_doctor_with_a_certificate(operator: NamedOperator, authority: Authority) -> None:
    certificate, _ = authority.issue(*NAMES, days=10)
    operator.up()
    said = (operator.state.parent / "up.err").read_text()
    assert f"warning: {certificate} expires on " in said
    found = doctor(operator)
    levels = {what: found[what]["level"] for what in ("outside", "machines", "WebSockets")}
    assert set(levels.values()) == {"ok"}, found
    assert "plain HTTP" not in found, found
    assert found["certificate"]["level"] == "warn"
    assert operator.url in found["port"]["found"]
    session = requests.Session()
    session.trust_env = False
    session.verify = str(authority.file)
    page = session.get(f"{operator.url}hub/login", timeout=60)
    assert page.status_code == 200


@pytest.mark.attack("tls.private-key", "starts a hub whose key every user of the host may read")
def test_up_refuses_a_certificate_that_no_browser_takes_and_an_open_key(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def up() -> str:
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return capfd.readouterr().err

    lab = tmp_path / "lab.toml"
    lab.write_text(
        f'[provider]\nname = "fake"\n[hub]\nport = {find_free_port()}\n'
        f'url = "https://{LAB_NAME}"\ncertificate = "lab.pem"\nkey = "lab.key"\n'
    )
    for name in ("VMLAB_STATE", "VMLAB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setattr("sys.argv", ["vmlab", "up", "--lab", str(lab)])

    certificate, key = authority.issue(*NAMES, days=-1)
    said = up()
    assert f"error: {certificate} expired on " in said
    assert "a running hub uses the new file by itself" in said
    authority.issue(*NAMES)[1].chmod(0o644)
    assert f"error: everybody on this host may read the key {key} (mode 0644)" in up()
    key.unlink()
    assert f"hub.key: {key} cannot be read: No such file" in up()
