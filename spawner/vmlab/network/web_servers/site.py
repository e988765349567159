"""What a web server in front needs to know of a lab."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vmlab.errors import ConfigError
from vmlab.lab.lab import Lab
from vmlab.lab.origins import bracketed, public_hosts, wildcard

HSTS_SENTENCE = "Browsers then refuse plain HTTP for a year, for all these names:"
HSTS_VALUE = "max-age=31536000; includeSubDomains"


@dataclass(frozen=True)
class Site:
    """Names, ports and files; everything a configuration is made of."""

    hosts: tuple[str, ...]  # the hub's first, then those of all accounts' machines
    wildcard: str  # the pattern of all machines' names; empty when there is none
    behind: str  # where the hub listens: 127.0.0.1:8000
    certificate: Path
    key: Path
    has_files: bool = True  # False: the two above are only what certbot would write
    port: int = 443
    plain_port: int = 80
    address: str = ""  # the one to listen on; empty: all

    @property
    def hub(self) -> str:
        """The hub's name."""
        return self.hosts[0]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The fewest names that cover all."""
        return (self.hub, self.wildcard) if self.wildcard else self.hosts

    @property
    def port_suffix(self) -> str:
        """What follows the name in a URL of this site."""
        return "" if self.port == 443 else f":{self.port}"

    @property
    def files_comment(self) -> str:
        """A comment on the certificate; empty if none is needed."""
        if self.has_files:
            return ""
        return f"Put your own files here; the certificate must be for {' and '.join(self.patterns)}"


def make_site(lab: Lab, *, certificate: Path | None = None, key: Path | None = None) -> Site:
    """Return the site of a lab whose hub is behind a web server with TLS.

    Args:
        certificate, key: absolute; where certbot puts them when left out.

    Raises:
        ConfigError: this lab's hub cannot be behind one.
    """
    hub = lab.hub
    if not hub.public.startswith("https:"):
        raise ConfigError(
            f"{lab.file}: [hub] url is {hub.public or 'not set'}, so a web server has no https "
            "name to answer at",
            hint='set url = "https://lab.example.org" (your name) in [hub]',
        )
    if hub.certificate:
        raise ConfigError(
            f"{lab.file}: [hub] certificate is set, so VMLab speaks TLS itself on port {hub.port}",
            hint="let browsers connect to that port; or remove certificate and key from [hub], and "
            "give them to this command: --certificate FILE --key FILE",
        )
    hosts = public_hosts(lab.accounts.names(), hub.url, one_origin=hub.one_origin)
    usual = Path("/etc/letsencrypt/live") / hosts[0]
    return Site(
        hosts=tuple(bracketed(host) for host in hosts),
        wildcard="" if hub.one_origin else wildcard(hosts[0]),
        behind=f"{bracketed(hub.local_address)}:{hub.port}",
        certificate=certificate or usual / "fullchain.pem",
        key=key or usual / "privkey.pem",
        has_files=certificate is not None,
        port=urlsplit(hub.url).port or 443,
    )
