"""Origins: the names under which browsers find the hub and each machine. Pure.

Trainees are root in their machines, so a machine's pages must not share an origin with the hub or
with another machine: scripts of one origin can read each other's pages (docs/decisions/0011).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

LOCAL_NAME: Final = "vmlab.localhost"
"""The hub's name for browsers on the same host.

ref: RFC 6761, section 6.3: whatever ends in .localhost is the loopback and needs no DNS.
"""

_HOST: Final = re.compile(r"[a-z0-9._:-]+")
_VISIBLE: Final = re.compile(r"[!-~]+")  # urlsplit ignores tabs and line ends


def machine_host(name: str, hub_host: str, kind: str) -> str:
    """Return the host name of a user's machine, or of a service: JupyterHub's `subdomain_hook`.

    `ada` is at `ada.lab.example.org`, but at `ada-vmlab.localhost`: a sibling of the hub's name and
    not below it. A page may set cookies for every parent of its own name. Only with TLS are there
    cookies that are safe from that (`__Host-`), and local use has no TLS.
    """
    from jupyterhub.utils import subdomain_hook_idna  # noqa: PLC0415 - lab.toml needs none of it

    label, _, _ = subdomain_hook_idna(name, hub_host, kind).partition(".")
    first, _, rest = hub_host.partition(".")
    return f"{label}-{hub_host}" if rest == "localhost" and first else f"{label}.{hub_host}"


@dataclass(frozen=True)
class Origins:
    """What the proxy needs to know about names (front/origins.mjs)."""

    canonical: str = ""  # the hub's own; empty: it answers under any name
    machines: str = ""  # the machines' origins, as in a Content-Security-Policy
    shared: bool = True  # machines are under the hub's own name


def make_origins(hub_url: str, *, shared: bool, is_chosen: bool) -> Origins:
    """Return the origins of a hub.

    Args:
        shared: whether machines are under its name.
        is_chosen: whether the lab says the URL itself.
    """
    if shared:
        return Origins(hub_url if is_chosen else "")
    parts = urlsplit(hub_url)
    sample = machine_host("x", parts.hostname or "", "user")
    port = f":{parts.port}" if parts.port else ""
    return Origins(hub_url, f"{parts.scheme}://*.{sample.partition('.')[2]}{port}", shared=False)


def machine_hosts(names: tuple[str, ...], hub_url: str) -> tuple[str, ...]:
    """Return the host names of these users' machines, for certificates and web servers."""
    host = urlsplit(hub_url).hostname or ""
    return tuple(machine_host(name, host, "user") for name in names)


def public_hosts(names: tuple[str, ...], hub_url: str, *, one_origin: bool) -> tuple[str, ...]:
    """Return every host name that browsers use, the hub's first."""
    machines = () if one_origin else machine_hosts(names, hub_url)
    return (urlsplit(hub_url).hostname or "", *machines)


def wildcard(hub_host: str) -> str:
    """Return the pattern of all machines' names; empty if there is none (names beside the hub's).

    ref: RFC 6125, section 6.4.3: a wildcard is a whole label.
    """
    return "" if hub_host.endswith(".localhost") else f"*.{hub_host}"


def plain_url(url: str) -> str:
    """Return a hub's URL as browsers write it: small letters, a short address, no usual port.

    What requests say about their host is compared with it.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = bracketed(str(ipaddress.ip_address(host)))
    is_usual = port in {None, 443 if parts.scheme == "https" else 80}
    return f"{parts.scheme}://{host}{'' if is_usual else f':{port}'}"


def bracketed(host: str) -> str:
    """Return a host name or address as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def url_problem(url: str, *, one_origin: bool) -> str:
    """Return what is wrong with a hub's URL; empty when nothing is."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            ipaddress.IPv6Address(host)
    except ValueError as error:
        return f"it is not a URL: {error}"
    if parts.scheme not in {"https", "http"} or not host:
        return "it must begin with https:// or http:// and a host name"
    if not _HOST.fullmatch(host) or not _VISIBLE.fullmatch(url):
        return "a host name has letters, digits, dots and dashes; any other is written as xn--..."
    if port == 0:
        return "port 0 is not a port"
    return _rest_problem(parts) or ("" if one_origin else _name_problem(host))


def _rest_problem(parts: SplitResult) -> str:
    if path := parts.path.rstrip("/"):
        return (
            f"the hub cannot be below a path ({path}); it must end after the host name and port, "
            "so give it a name or a port of its own"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        return "it must end after the host name and port"
    return ""


def _name_problem(host: str) -> str:
    if ":" in host or host.replace(".", "").isdecimal():
        return "it is an address; hub and machines need names"
    if "." not in host:
        return f"machines need names beside the hub's; for this host alone use {LOCAL_NAME}"
    return ""
