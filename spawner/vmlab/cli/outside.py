"""`vmlab doctor` asks the lab from outside: by its public names, as a browser would."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from vmlab.cli.reach import INVENTED, Reach, Stage, Visit, asleep_findings, reach_findings
from vmlab.errors import LabError
from vmlab.hub.access import read_cli_access
from vmlab.hub.hello import HELLO_PATH, SOCKET_PATH, make_proof, read_heard
from vmlab.hub.lock import running_holder
from vmlab.hub.sessions import FAILURES, open_session, reason
from vmlab.lab.lab import Lab
from vmlab.lab.origins import LOCAL_NAME, bracketed, public_hosts
from vmlab.paths import Paths
from vmlab.providers.facts import Finding, Level

_LIMIT_S = 15
_SHOWN = 200
# The first that fits.
_STAGES: dict[type[Exception], Stage] = {
    aiohttp.ClientConnectorDNSError: Stage.NAME,
    aiohttp.ClientSSLError: Stage.CERTIFICATE,
    aiohttp.ClientConnectionError: Stage.CONNECTION,
    OSError: Stage.CONNECTION,
    aiohttp.ClientError: Stage.ANSWER,
    aiohttp.http.HttpProcessingError: Stage.ANSWER,
}
_INVENTIONS = {
    "X-Real-IP": INVENTED,
    "X-Forwarded-For": INVENTED,
    "X-Forwarded-Host": "invented.invalid",
    "X-Forwarded-Proto": "http",
    "Forwarded": f"for={INVENTED};proto=http",
}


async def outside_findings(lab: Lab, paths: Paths) -> list[Finding]:
    """Return how the lab looks from outside; much of it needs a running hub."""
    if not lab.hub.public:
        return [] if lab.hub.one_origin else [await _local_finding()]
    try:
        holder, secret = running_holder(paths), read_cli_access(paths).token
    except LabError as e:
        return [Finding("outside", Level.FAIL, e.message, e.hint)]
    if holder is None:
        return asleep_findings(await _first_unknown(_asked_hosts(lab)), lab.hub)
    if not secret:  # with an empty one, any server passes for this hub
        found = f"{paths.state / 'cli.json'} is gone; by its token doctor knows the hub again"
        return [Finding("outside", Level.FAIL, found, "`vmlab down`, then `vmlab up`")]
    return reach_findings(await ask_from_outside(lab, secret), lab.hub)


async def ask_from_outside(lab: Lab, secret: str) -> Reach:
    """Visit hub and machines by their names; of the accounts, the first and the last."""
    plain = lab.hub.redirect_port or (80 if lab.hub.public_port == 443 else 0)
    async with open_session(limit_s=_LIMIT_S, tls=ssl.create_default_context()) as session:
        asker = _Asker(session, lab.hub.url, secret)
        hub, *machines = await asyncio.gather(*map(asker.visit, _asked_hosts(lab)))
        is_there = hub.stage is Stage.HEARD
        return Reach(
            hub=hub,
            machines=tuple(machines[:-1]),
            unlisted=machines[-1] if machines else None,
            socket=await asker.open_socket() if is_there else "",
            plain=await asker.ask_plain(plain) if is_there and plain else None,
        )


@dataclass(frozen=True)
class _Asker:
    """One round of questions."""

    session: aiohttp.ClientSession
    url: str
    secret: str

    async def visit(self, host: str) -> Visit:
        """Ask one name whether it leads to this hub."""
        parts = urlsplit(self.url)
        url = parts._replace(netloc=parts.netloc.replace(parts.hostname or "", host, 1)).geturl()
        nonce = secrets.token_hex(16)
        try:
            async with self.session.get(
                f"{url.rstrip('/')}{HELLO_PATH}", params={"nonce": nonce}, headers=_INVENTIONS
            ) as answer:
                heard = read_heard(await answer.read())
        except FAILURES as e:
            stage = next(stage for kind, stage in _STAGES.items() if isinstance(e, kind))
            return Visit(host, stage, _short(e))
        if heard is None:
            return Visit(host, Stage.ANSWER, f"status {answer.status}, not from VMLab")
        if heard.proof != make_proof(self.secret, nonce):
            return Visit(host, Stage.ANSWER, "the hub of another lab answers")
        return Visit(host, Stage.HEARD, heard=heard)

    async def open_socket(self) -> str:
        """Open a WebSocket to the hub; return why it does not, or nothing."""
        nonce = secrets.token_hex(16)
        try:
            async with self.session.ws_connect(
                f"{self.url.rstrip('/')}{SOCKET_PATH}", params={"nonce": nonce}
            ) as opened:
                message = await opened.receive()
        except FAILURES as e:
            return _short(e)
        heard = read_heard(message.data) if isinstance(message.data, str) else None
        if heard is None or heard.proof != make_proof(self.secret, nonce):
            return f"the hub's first message did not arrive ({message.type.name.lower()} instead)"
        return ""

    async def ask_plain(self, port: int) -> str:
        """Ask by plain HTTP; return why it does not redirect to HTTPS, or nothing."""
        url = f"http://{bracketed(urlsplit(self.url).hostname or '')}:{port}/"
        try:
            async with self.session.get(url, allow_redirects=False) as answer:
                leads_to = answer.headers.get("Location", "")
        except FAILURES as e:
            return f"nobody answers at {url}: {_short(e)}"
        if leads_to.startswith("https://"):
            return ""
        return f"{url} answers with {answer.status} and does not redirect to https"


def _asked_hosts(lab: Lab) -> tuple[str, ...]:
    """Return the hub's name, those of two accounts' machines, and one that nobody has."""
    names = lab.accounts.names()
    asked = (names[0], names[-1], f"doctor-{secrets.token_hex(4)}")
    return public_hosts(tuple(dict.fromkeys(asked)), lab.hub.url, one_origin=lab.hub.one_origin)


async def _first_unknown(hosts: tuple[str, ...]) -> Visit | None:
    for host in hosts:
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError as e:
            return Visit(host, Stage.NAME, f"this host's resolver does not know it: {_short(e)}")
    return None


async def _local_finding() -> Finding:
    if await _first_unknown((LOCAL_NAME,)):
        found = (
            f"browsers know {LOCAL_NAME} by themselves; this host's resolver does not "
            "(Safari and other programs need a line in /etc/hosts: docs/operator.md)"
        )
        return Finding("outside", Level.OK, found)
    return Finding("outside", Level.OK, f"{LOCAL_NAME} is known to browsers and to this host")


def _short(error: Exception) -> str:
    text = reason(error)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
