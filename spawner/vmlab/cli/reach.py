"""What `vmlab doctor` concludes from having asked the lab from outside. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from vmlab.hub.hello import HELLO_PATH, Heard
from vmlab.lab.hub_address import HubAddress
from vmlab.lab.origins import wildcard
from vmlab.providers.facts import Finding, Level

INVENTED = "192.0.2.77"
"""The address that the doctor claims to come from. ref: RFC 5737: nobody has it."""

_FRONT = "`vmlab front` prints configurations that do"


class Stage(StrEnum):
    """How far a visit came."""

    NAME = "name"  # the resolver did not know it
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    ANSWER = "answer"  # something else than this hub answered
    HEARD = "heard"


@dataclass(frozen=True)
class Visit:
    """What came of asking one name."""

    host: str
    stage: Stage
    trouble: str = ""  # why it came no further
    heard: Heard | None = None


@dataclass(frozen=True)
class Reach:
    """All visits."""

    hub: Visit
    machines: tuple[Visit, ...] = ()  # of accounts
    unlisted: Visit | None = None  # of a name that nobody has
    socket: str = ""  # why a WebSocket did not open
    plain: str | None = ""  # why plain HTTP does not redirect to HTTPS; None: it was not asked


def reach_findings(reach: Reach, hub: HubAddress) -> list[Finding]:
    """Return what works and what does not."""
    if reach.hub.stage is not Stage.HEARD:
        return [_unreached("outside", reach.hub, hub, Level.FAIL)]
    findings = [*_header_findings(reach.hub, hub)] or [
        Finding("outside", Level.OK, f"this hub answers at {hub.url}")
    ]
    findings += _machine_findings(reach, hub)
    if reach.socket:
        advice = f"the web server must pass on Upgrade and Connection, with HTTP/1.1; {_FRONT}"
        found = f"no WebSocket opens at {hub.url}: {reach.socket}"
        findings.append(Finding("WebSockets", Level.FAIL, found, advice))
    else:
        findings.append(Finding("WebSockets", Level.OK, "they open"))
    if reach.plain:
        advice = "redirect it: [hub] redirect_port = 80, or in the web server"
        findings.append(Finding("plain HTTP", Level.WARN, reach.plain, advice))
    return findings


def asleep_findings(unknown: Visit | None, hub: HubAddress) -> list[Finding]:
    """Return what can be said while no hub runs.

    Args:
        unknown: the first of hub and machines whose name the resolver does not know.
    """
    found = f"not checked: whether this hub answers at {hub.url} and below, and WebSockets"
    asleep = Finding("outside", Level.WARN, found, "start it, then run `vmlab doctor` again")
    return [_unreached("names", unknown, hub, Level.FAIL), asleep] if unknown else [asleep]


def _header_findings(visit: Visit, hub: HubAddress) -> list[Finding]:
    heard, findings = visit.heard, []
    assert heard is not None  # noqa: S101 - by its stage
    wanted = urlsplit(hub.url)
    advice = f"the web server must overwrite these headers; {_FRONT}"
    if heard.scheme != wanted.scheme:
        found = f"browsers use {wanted.scheme}, but the hub is told {heard.scheme}"
        if not hub.front:
            advice = (
                'say whose headers to trust: [hub] front = ["127.0.0.1"], the address from which '
                "the web server connects"
            )
        findings.append(Finding("outside", Level.FAIL, f"{found} (X-Forwarded-Proto)", advice))
    if heard.host != wanted.netloc:
        found = f"the hub is told that its name is {heard.host}, not {wanted.netloc} (Host)"
        findings.append(Finding("outside", Level.FAIL, found, advice))
    if heard.client == INVENTED:
        found = (
            "browsers can invent the address by which logins are counted (X-Forwarded-For, "
            "X-Real-IP)"
        )
        findings.append(Finding("outside", Level.FAIL, found, advice))
    return findings


def _machine_findings(reach: Reach, hub: HubAddress) -> list[Finding]:
    failed = [visit for visit in reach.machines if visit.stage is not Stage.HEARD]
    if failed:
        return [_unreached("machines", visit, hub, Level.FAIL) for visit in failed]
    unlisted = reach.unlisted
    if unlisted is None:
        return []
    if unlisted.stage is Stage.HEARD:
        names = wildcard(urlsplit(hub.url).hostname or "") or "all"
        return [Finding("machines", Level.OK, f"{names} lead to this hub")]
    finding = _unreached("machines", unlisted, hub, Level.WARN)
    found = f"names of accounts work, others do not: {finding.found}"
    advice = f"accounts that are added need records and certificates of their own; {finding.advice}"
    return [Finding("machines", Level.WARN, found, advice)]


def _unreached(what: str, visit: Visit, hub: HubAddress, level: Level) -> Finding:
    return Finding(what, level, f"{visit.host}: {visit.trouble}", _advice(visit, hub))


def _advice(visit: Visit, hub: HubAddress) -> str:
    """Return what to do about a visit that came no further."""
    parts = urlsplit(hub.url)
    host = parts.hostname or ""
    record = visit.host if visit.host == host else wildcard(host) or visit.host
    url = parts._replace(netloc=parts.netloc.replace(host, visit.host, 1), path=HELLO_PATH).geturl()
    match visit.stage:
        case Stage.NAME:
            return (
                f"make a DNS record for {record} with the address at which browsers reach this "
                "host; it may take a while to spread"
            )
        case Stage.CONNECTION:
            return (
                f"let port {hub.public_port} through the firewall, and see that the web server "
                "runs; a host behind a router may not reach itself this way: then ask "
                "from elsewhere: "
                f"curl '{url}?nonce={'0' * 32}'"
            )
        case Stage.CERTIFICATE:
            return (
                f"the certificate must be for {record}, valid, and complete with its intermediate "
                "certificates; this host must know an authority of your own "
                "(update-ca-certificates)"
            )
        case _:
            return (
                f"the web server must pass everything at {record} on to {hub.local_url}; {_FRONT}"
            )
