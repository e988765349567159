"""[hub] of lab.toml: where the hub listens, and under which name browsers find it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vmlab.lab.origins import (
    LOCAL_NAME,
    Origins,
    bracketed,
    make_origins,
    plain_url,
    url_problem,
)
from vmlab.lab.toml_errors import Table, show


@dataclass(frozen=True)
class HubAddress:
    """[hub]: where it listens, and where browsers find it."""

    address: str = "127.0.0.1"
    port: int = 8000
    public: str = ""  # the URL that browsers use, as lab.toml says it; empty: by address and port
    one_origin: bool = False  # hub and machines under one name
    certificate: Path | None = None  # PEM, with all intermediate certificates; absolute
    key: Path | None = None
    redirect_port: int = 0  # plain HTTP here is redirected to HTTPS; 0: none
    front: tuple[str, ...] = ()  # web servers in front whose X-Forwarded-* headers are trusted

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def local_address(self) -> str:
        """The address at which this host reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)  # noqa: S104

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports on which it listens."""
        return (self.port, self.redirect_port) if self.redirect_port else (self.port,)

    @property
    def public_port(self) -> int:
        """The port that browsers use."""
        parts = urlsplit(self.url)
        return parts.port or {"https": 443}.get(parts.scheme, 80)

    @property
    def scheme(self) -> str:
        """What the hub itself speaks: https where it has a certificate, else http."""
        return "https" if self.certificate else "http"

    @property
    def local_url(self) -> str:
        """Where programs on this host find it, whatever its name; with a slash at the end."""
        return f"{self.scheme}://{bracketed(self.local_address)}:{self.port}/"

    @property
    def url(self) -> str:
        """Where browsers find it; with a slash at the end."""
        if self.public:
            return f"{self.public.rstrip('/')}/"
        if self.one_origin:
            return self.local_url
        return f"{self.scheme}://{LOCAL_NAME}:{self.port}/"

    @property
    def name(self) -> str:
        """The name or address in that URL, an IPv6 address between brackets."""
        return bracketed(urlsplit(self.url).hostname or self.local_address)

    @property
    def has_tls(self) -> bool:
        """Whether browsers reach it by TLS, its own or that of a web server in front of it."""
        return self.url.startswith("https:")

    @property
    def stays_on_host(self) -> bool:
        """Whether what browsers send never leaves this host."""
        name = urlsplit(self.url).hostname or ""
        return self.is_loopback and (not self.public or name.endswith(".localhost"))

    @property
    def origins(self) -> Origins:
        """The names of the hub and of the machines."""
        return make_origins(self.url, shared=self.one_origin, is_chosen=bool(self.public))


def read_hub(table: Table, folder: Path) -> HubAddress:
    """Read the section; certificate and key are relative to the folder of the lab."""
    default = HubAddress()
    address = table.text("address", default.address)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        table.mistake(
            "address",
            f"{show(address)} is not an IP address; allowed: 127.0.0.1 (this host only), 0.0.0.0 "
            "(all addresses of this host; with IPv6: ::), or one address of this host",
        )
        address = default.address
    one_origin = table.flag("one_origin", default=False)
    public = table.text("url", "")
    if public and (problem := url_problem(public, one_origin=one_origin)):
        table.mistake("url", f'{show(public)}: {problem}; for instance "https://lab.example.org"')
        public = ""
    hub = HubAddress(
        address=address,
        port=table.whole("port", default.port, minimum=1, maximum=65535),
        public=plain_url(public) if public else "",
        one_origin=one_origin,
        certificate=_read_path(table, "certificate", folder),
        key=_read_path(table, "key", folder),
        redirect_port=table.whole("redirect_port", 0, minimum=0, maximum=65535),
        front=_read_front(table),
    )
    _check_hub(table, hub)
    return hub


def _check_hub(table: Table, hub: HubAddress) -> None:
    if not (hub.is_loopback or hub.public or hub.one_origin or table.raw("url")):
        table.mistake(
            "address",
            f"others can reach {hub.address}, so the hub needs a name: set url = "
            '"https://lab.example.org", with DNS for that name and for *.lab.example.org, or '
            "one_origin = true (less safe: docs/operator.md)",
        )
    if (hub.certificate is None) != (hub.key is None):
        there, missing = ("certificate", "key") if hub.certificate else ("key", "certificate")
        table.mistake(there, f"a {there} without a {missing}; set both or neither")
    if hub.redirect_port and not hub.certificate:
        table.mistake("redirect_port", "only a hub with a certificate of its own can use it")
    if hub.redirect_port == hub.port:
        table.mistake("redirect_port", f"{hub.port} is already the hub's own port")
    if hub.certificate and hub.public.startswith("http:"):
        table.mistake("url", f"{show(hub.public)} is not https, but there is a certificate")


def _read_path(table: Table, key: str, folder: Path) -> Path | None:
    """Read the path of a file, relative to the lab's folder; None when it is left out."""
    written = table.text(key, "", pattern=r"[^\0]*", allowed="the path of a file")
    return folder / written if written else None


def _read_front(table: Table) -> tuple[str, ...]:
    """Read the addresses of web servers in front of the hub."""
    allowed = 'IP addresses and networks between quotes, such as "127.0.0.1" or "10.1.0.0/24"'
    front = table.texts("front", allowed=allowed)
    for each in front:
        try:
            network = ipaddress.ip_network(each)
        except ValueError as e:
            table.mistake("front", f"{show(each)} is not allowed ({e}); allowed: {allowed}")
            continue
        if network.prefixlen == 0:
            table.mistake("front", f"{show(each)} includes everybody; allowed: {allowed}")
    return front
