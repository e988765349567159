"""What a machine is asked about itself, in one command, and its answer. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmlab.rehearsal.description import Host

_HEAD = "== "
_INSTALLED = "ii"  # wanted, and installed; ref: dpkg-query(1), db:Status-Abbrev
_MAX_PORTS = 300
_PORT_OF_LINE = '{n = split($5, at, ":"); print $1 "/" at[n]}'


@dataclass(frozen=True)
class Found:
    """What a machine says of itself; untrusted."""

    host_name: str = ""
    cpus: int = 0
    memory_mib: int = 0
    packages: Mapping[str, str] = field(default_factory=dict)  # installed → version
    services: Mapping[str, str] = field(default_factory=dict)  # unit → active, inactive, failed...
    ports: frozenset[str] = frozenset()  # "tcp/22"


def make_question(host: Host) -> str:
    """Return the command whose output `parse_answer` reads."""
    packages = " ".join(shlex.quote(package.name) for package in host.packages)
    services = " ".join(shlex.quote(service) for service in host.services)
    lines = [
        "export LC_ALL=C",
        # What may be long comes first: of a long output the end is kept.
        f"echo '{_HEAD}ports'",
        f"ss -Hltun | awk '{_PORT_OF_LINE}' | sort -u | head -n {_MAX_PORTS}",
        f"echo '{_HEAD}packages'",
    ]
    if packages:
        form = "${Package} ${db:Status-Abbrev} ${Version}\\n"
        lines.append(f"dpkg-query -W -f='{form}' {packages} 2>/dev/null")
    lines.append(f"echo '{_HEAD}services'")
    if services:
        ask = 'echo "$unit $(systemctl is-active "$unit")"'
        lines.append(f"for unit in {services}; do {ask}; done")
    memory = "awk '/^MemTotal/ {print \"memory \" $2}' /proc/meminfo"
    lines += [f"echo '{_HEAD}host'", 'echo "name $(hostname)"', 'echo "cpus $(nproc)"', memory]
    return "\n".join([*lines, "true"])


def parse_answer(text: str) -> Found:
    """Return what the machine said; lines that make no sense are passed over."""
    parts: dict[str, list[list[str]]] = {}
    part: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith(_HEAD):
            part = parts.setdefault(line.removeprefix(_HEAD).strip(), [])
        elif words := line.split():
            part.append(words)
    host = {words[0]: words[1] for words in parts.get("host", []) if len(words) == 2}
    return Found(
        host.get("name", ""),
        _number(host.get("cpus", "")),
        _number(host.get("memory", "")) // 1024,
        {
            words[0]: words[2]
            for words in parts.get("packages", [])
            if len(words) == 3 and words[1] == _INSTALLED
        },
        {words[0]: words[1] for words in parts.get("services", []) if len(words) == 2},
        frozenset(words[0] for words in parts.get("ports", []) if len(words) == 1),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
