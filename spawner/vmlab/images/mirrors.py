"""Debian mirrors for an image, taken from the host's own apt configuration.

The project says nothing about mirrors: on a closed network the host already knows where
Debian is, and how to get there (proxy, checks). Parsing is pure; `read_host_mirrors` does the I/O.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from debian.deb822 import Deb822

from vmlab.errors import HostError
from vmlab.system.environment import download_environment

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITES = {
    *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
    *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
}
_SCHEMES = {"http", "https", "file", "copy", "ftp", "tor+http", "tor+https"}
_PASSED_ON = re.compile(
    r"^Acquire::((http|https|ftp)(::|\s)|Retries|Check-Valid-Until|Check-Date|ForceIPv|Languages)"
)


@dataclass(frozen=True)
class AptSource:
    """One line of an apt source list, as far as it matters here."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Mirrors:
    """Where the host gets Debian from."""

    archive: str
    security: str  # empty when the host has none
    keyring: str
    apt_options: tuple[str, ...]  # lines of apt.conf about how to get there

    def source_lines(self, suite: str, *, public: bool = False) -> list[str]:
        """Return lines of a sources.list for `suite`.

        Args:
            public: for the finished image: without user names and passwords in addresses and
                without mirrors that only the host can reach.
        """
        wanted = [(self.archive, suite), (self.archive, f"{suite}-updates")]
        if self.security:
            wanted.append((self.security, f"{suite}-security"))
        keyring = DEBIAN_KEYRING if public else self.keyring
        if public:
            wanted = [(_without_credentials(u), s) for u, s in wanted if not _is_local(u)]
        return [f"deb [signed-by={keyring}] {uri} {name} main" for uri, name in wanted]


def parse_deb822(text: str) -> list[AptSource]:
    """Return the enabled binary sources of a `.sources` file."""
    found = []
    # Lines, for it would take a string for a file's name; all kinds of them, for it refuses a value
    # with another kind than \n within.
    for stanza in Deb822.iter_paragraphs(text.splitlines()):
        if "deb" not in stanza.get("Types", "").split() or _is_off(stanza.get("Enabled", "")):
            continue
        found += [
            AptSource(
                uri.rstrip("/"),
                suite,
                tuple(stanza.get("Components", "").split()),
                _keyrings(stanza.get("Signed-By", "")),
            )
            for uri in stanza.get("URIs", "").split()
            for suite in stanza.get("Suites", "").split()
        ]
    return found


def _is_off(enabled: str) -> bool:
    # ref: StringToBool in apt's apt-pkg/contrib/strutl.cc
    return enabled.lower() in {"no", "false", "without", "off", "disable", "0"}


def _keyrings(signed_by: str) -> str:
    """Return the files that are named, as one option; none for a key that is given inline."""
    words = [] if "-----BEGIN" in signed_by else re.split(r"[,\s]+", signed_by)
    return ",".join(word for word in words if word.startswith("/"))


def parse_one_line(text: str) -> list[AptSource]:
    """Return the binary sources of a `.list` file."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if not match:
            continue
        options = dict(o.split("=", 1) for o in (match.group(1) or "").split() if "=" in o)
        found.append(
            AptSource(
                match.group(2).rstrip("/"),
                match.group(3),
                tuple(match.group(4).split()),
                options.get("signed-by", ""),
            )
        )
    return found


def choose_mirrors(sources: list[AptSource], apt_options: tuple[str, ...] = ()) -> Mirrors:
    """Pick the Debian archive and its security archive among everything that the host uses.

    Raises:
        HostError: the host has no Debian archive.
    """
    main = [s for s in sources if "main" in s.components and _scheme(s.uri) in _SCHEMES]
    security = [s for s in main if re.sub(r"(-security|/updates)$", "", s.suite) in _SUITES]
    security = [s for s in security if s.suite not in _SUITES]
    archive = [s for s in main if s.suite in _SUITES]
    with_updates = {s.uri for s in main if s.suite.endswith("-updates")}

    def likeness(source: AptSource) -> int:
        # Other repositories also call their suite "bookworm" and their component "main".
        signed = "debian-archive" in source.signed_by
        path = urlsplit(source.uri).path.endswith(("/debian", "/debian-security"))
        return 4 * signed + 2 * (source.uri in with_updates) + path

    if not archive:
        raise HostError(
            "the host's apt configuration names no Debian archive",
            hint="images are made from the mirrors in /etc/apt/sources.list(.d)/; add one there",
        )
    best = max(archive, key=likeness)
    return Mirrors(
        archive=best.uri,
        security=max(security, key=likeness).uri if security else "",
        keyring=best.signed_by or DEBIAN_KEYRING,
        apt_options=apt_options,
    )


def parse_apt_options(dump: str) -> tuple[str, ...]:
    """Return the lines of `apt-config dump` that say how to reach a mirror."""
    return tuple(line for line in dump.splitlines() if _PASSED_ON.match(line))


def read_host_mirrors(etc_apt: Path = Path("/etc/apt")) -> Mirrors:
    """Read the host's apt configuration.

    Raises:
        HostError: apt is not there, or no Debian archive is configured.
    """
    sources: list[AptSource] = []
    folder = etc_apt / "sources.list.d"
    for path in [etc_apt / "sources.list", *sorted(folder.glob("*.list"))]:
        if path.is_file():
            sources += parse_one_line(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted(folder.glob("*.sources")):
        sources += parse_deb822(path.read_text(encoding="utf-8", errors="replace"))
    try:
        dump = subprocess.run(
            ["apt-config", "dump"],
            check=True, capture_output=True, text=True, timeout=60, env=download_environment(),
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(
            f"apt-config dump failed: {error}", hint="images are built on Debian 12 or 13"
        ) from error
    return choose_mirrors(sources, parse_apt_options(dump))


def _scheme(uri: str) -> str:
    """Return how a source is reached; empty if it is not an address."""
    try:
        return urlsplit(uri).scheme
    except ValueError:
        return ""


def _is_local(uri: str) -> bool:
    return _scheme(uri) in {"file", "copy"} or urlsplit(uri).hostname in {"localhost", "127.0.0.1"}


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
