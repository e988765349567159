"""The bridge of an event's network, its rules and its ports: commands in the namespace.

Standard library only. Each step may be repeated: a keeper that takes a network over repeats all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterable

from vmlab.model import NetworkSpec
from vmlab.providers.qemu.network.layout import BRIDGE, BRIDGE_MAC, Member, names_address
from vmlab.providers.qemu.network.rules import FLOODING, TABLE, make_members, make_table
from vmlab.system.environment import tool_environment

PORT_MBIT_S = 1000
"""What a machine receives at most, like one with a gigabit card. TCP adapts to it, so that what a
port may send (rules.py) only ends a flood."""

_SHAPE = f"tbf rate {PORT_MBIT_S}mbit burst 512kb latency 50ms"
_COMMAND_LIMIT_S = 20.0
_SHOWN = 500


class CommandError(Exception):
    """ip, tc or nft refused, took too long or is not installed."""


def find_interfaces() -> set[str]:
    """Return the names of the namespace's interfaces."""
    return {name for _, name in socket.if_nameindex()}


async def set_up(spec: NetworkSpec, members: Iterable[Member]) -> None:
    """Make or change bridge and rules as described; ports stay.

    Raises:
        CommandError: the kernel refused.
    """
    address = f"{names_address(spec)}/{spec.addresses.prefixlen}"
    lines = []
    if BRIDGE not in find_interfaces():
        lines.append(
            f"link add {BRIDGE} address {BRIDGE_MAC} type bridge mcast_snooping 0 forward_delay 0"
        )
    lines += [
        f"addr flush dev {BRIDGE}",
        f"addr add {address} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ]
    # Rules first: there is no moment in which anything passes without them.
    await run_command("nft", "-f", "-", text=make_table(spec) + make_members(members))
    await run_command("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))


async def set_members(members: Iterable[Member]) -> None:
    """Let exactly these send; raises as `set_up`."""
    await run_command("nft", "-f", "-", text=make_members(members))


async def add_cable(member: Member) -> None:
    """Make both ends of a cable; raises as `set_up`."""
    near, far = member.interface, member.outer
    # The far end is no part of the network: it has no address and answers for none.
    text = f"link add {near} type veth peer name {far}\nlink set {far} arp off up\n"
    await run_command("ip", "-batch", "-", text=text)


async def join(member: Member) -> None:
    """Put a machine's port at the bridge, and limit what it takes; raises as `set_up`.

    The bridge is told whose card is where, and learns nothing from frames: it cannot be misled,
    and sends nothing to one machine that is for another.
    """
    name = member.interface
    lines = f"link set {name} master {BRIDGE}\n"
    lines += f"link set {name} type bridge_slave learning off flood off\n"
    lines += f"link set {name} up\n"
    await run_command("ip", "-batch", "-", text=lines)
    card = f"fdb replace {member.card.mac} dev {name} master static\n"
    await run_command("bridge", "-batch", "-", text=card)
    await run_command("tc", "qdisc", "replace", "dev", name, "root", *_SHAPE.split())


async def retire(interface: str) -> None:
    """Take a tap out of the network and out of its name's way; raises as `set_up`.

    It is not deleted: a QEMU that still has it would ask for its frames without end.
    """
    with contextlib.suppress(OSError):  # its machine ended just now
        spare = f"x{socket.if_nametoindex(interface)}"
        lines = f"link set {interface} nomaster down\nlink set {interface} name {spare}\n"
        try:
            await run_command("ip", "-batch", "-", text=lines)
        except CommandError:
            if interface in find_interfaces():
                raise


async def remove(interfaces: Iterable[str]) -> None:
    """Remove those of the interfaces that are there; raises as `set_up`."""
    for name in sorted(find_interfaces().intersection(interfaces)):
        try:
            await run_command("ip", "link", "delete", name)
        except CommandError:
            if name in find_interfaces():  # else its machine ended just now
                raise


async def find_flooding() -> set[str]:
    """Return the ports whose frames were over a limit in the last minute; raises as `set_up`."""
    output = await run_command("nft", "-j", "list", "set", *TABLE.split(), FLOODING)
    return parse_elements(output)


def parse_elements(output: str) -> set[str]:
    """Return the names in a set that nft has listed as JSON. Pure."""
    found = set()
    for each in json.loads(output)["nftables"]:
        for element in each.get("set", {}).get("elem", ()):
            value = element["elem"]["val"] if isinstance(element, dict) else element
            found.add(str(value))
    return found


async def run_command(*words: str, text: str = "") -> str:
    """Run a program with this text as its input; return what it wrote."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=tool_environment(),
        )
    except FileNotFoundError as error:
        raise CommandError(f"{words[0]} is not installed") from error
    try:
        async with asyncio.timeout(_COMMAND_LIMIT_S):
            output, errors = await process.communicate(text.encode())
    except TimeoutError as error:
        raise CommandError(f"`{' '.join(words)}` took over {_COMMAND_LIMIT_S:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()[:_SHOWN]
        raise CommandError(f"`{' '.join(words)}` ended with {process.returncode}: {said}")
    return output.decode(errors="replace")
