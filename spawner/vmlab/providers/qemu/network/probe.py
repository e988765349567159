"""Tries whether this host can have networks of machines: makes one, sends a frame, removes it.

Run as `python -s -S -m` this module, in a process of its own: it leaves its namespace for good.
Prints one line of JSON. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import tempfile
from dataclasses import asdict, dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from vmlab.model import Card, NetworkSpec
from vmlab.providers.qemu.network import namespace
from vmlab.providers.qemu.network.bridge import CommandError
from vmlab.providers.qemu.network.kept import ConflictError, KeptNetwork
from vmlab.providers.qemu.network.layout import Member
from vmlab.providers.qemu.network.port import Port, PortKind

_ARRIVES_S = 5.0
_VNET_HEADER = bytes(10)
_SPEC = NetworkSpec("probe", IPv4Network("192.0.2.0/24"))  # RFC 5737: nobody's
_EVERYBODY = bytes((255,)) * 6


@dataclass(frozen=True)
class Verdict:
    """What a host can do."""

    kind: str = ""  # of `PortKind`; empty: nothing
    memory_mib: int = 0  # of a network's keeper
    problem: str = ""


def main() -> None:
    """Print the verdict."""
    with tempfile.TemporaryDirectory(prefix="vmlab-") as folder:
        os.chdir(folder)
        verdict = _try()
    print(json.dumps(asdict(verdict)))  # noqa: T201 - the answer


def _try() -> Verdict:
    try:
        namespace.enter()
    except OSError as error:
        return Verdict(problem=f"{error.strerror or error}")
    try:
        return asyncio.run(_meet())
    except (CommandError, ConflictError, OSError) as error:
        return Verdict(problem=f"{error}")
    finally:
        namespace.let_go()


async def _meet() -> Verdict:
    network = KeptNetwork()
    await network.begin(_SPEC, taken_over=False)
    one, other = _member(2), _member(3)
    ports = [await network.plug(member) for member in (one, other)]
    frame = _packet(one, other)
    await asyncio.to_thread(_send, ports, frame)
    arrived = await asyncio.to_thread(_arrives, ports[1], frame)
    await network.take_down()
    for port in ports:
        port.close()
    if not arrived:
        return Verdict(problem="two machines of a network do not hear each other")
    return Verdict(ports[0].kind.value, _memory_mib())


def _member(number: int) -> Member:
    address = IPv4Interface((_SPEC.addresses[number], _SPEC.addresses.prefixlen))
    name = f"machine-{number}"
    return Member(name, Card(_SPEC, f"02:00:00:00:00:{number:02x}", address, name, (name,)))


def _packet(source: Member, target: Member) -> bytes:
    """Return an IPv4 packet, which br_netfilter would drop where it may, in a frame to all."""
    ends = source.card.address.ip.packed + target.card.address.ip.packed
    packet = bytes.fromhex("4500001400000000401100 00".replace(" ", "")) + ends
    card = bytes.fromhex(source.card.mac.replace(":", ""))
    return (_EVERYBODY + card + b"\x08\0" + packet).ljust(60, b"\0")


def _send(ports: list[Port], frame: bytes) -> None:
    head = _VNET_HEADER if ports[0].kind is PortKind.TAP else b""
    os.write(ports[0].descriptor, head + frame)


def _arrives(port: Port, frame: bytes) -> bool:
    ready, _, _ = select.select([port.descriptor], [], [], _ARRIVES_S)
    return bool(ready) and frame in os.read(port.descriptor, 4096)


def _memory_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()
