"""Which addresses are not the internet: the host's own, and everything that is near it.

A host with a public address has neighbours in its own public subnet, which trust it more than they
trust the internet. What is near is asked of the kernel when a machine is powered on: addresses and
routes of all tables. IPv6 is not asked about: no machine gets any (uplink.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from vmlab.errors import HostError
from vmlab.system.environment import tool_environment

_NEVER = [
    IPv4Network(network)
    # ref: IANA, IPv4 Special-Purpose Address Registry, without the documentation ranges; RFC 5771
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
    )
]  # fmt: skip

_SHORTEST = 8
"""Routes of fewer bits lead to the internet: a default route into a tunnel, or its two halves."""

_ASK_LIMIT_S = 10.0


async def find_unreachable() -> list[str]:
    """Return the networks that no machine may reach from here, as of now.

    Raises:
        HostError: ip(8) does not tell.
    """
    addresses = await _ask("address")
    routes = await _ask("route", "show", "table", "all")
    return unreachable_networks(addresses, routes)


async def find_own() -> list[IPv4Network]:
    """Return the host's own subnets and those that it reaches without a router; raises likewise."""
    addresses = await _ask("address")
    routes = await _ask("route", "show", "table", "all")
    return own_networks(addresses, routes)


def own_networks(
    addresses: list[dict[str, Any]], routes: list[dict[str, Any]]
) -> list[IPv4Network]:
    """Return them from what `ip -json` told; loopback is no network."""
    found = [*_of_addresses(addresses), *_of_routes(routes)]
    own = (each for each in found if not each.is_loopback and each.prefixlen >= _SHORTEST)
    return list(ipaddress.collapse_addresses(own))


def unreachable_networks(
    addresses: list[dict[str, Any]], routes: list[dict[str, Any]]
) -> list[str]:
    """Return them from what `ip -json` told of addresses and of the routes of all tables."""
    near = [*_NEVER, *_of_addresses(addresses), *_of_routes(routes)]
    wide = [network for network in near if network in _NEVER or network.prefixlen >= _SHORTEST]
    return [str(network) for network in ipaddress.collapse_addresses(wide)]


def _of_addresses(links: list[dict[str, Any]]) -> Iterator[IPv4Network]:
    """Yield the subnet of each address, and the other end of a line between two."""
    for link in links:
        for address in link.get("addr_info", ()):
            ours, bits = address["local"], address["prefixlen"]
            yield IPv4Network(ours)
            yield IPv4Network(f"{address.get('address', ours)}/{bits}", strict=False)


def _of_routes(routes: list[dict[str, Any]]) -> Iterator[IPv4Network]:
    """Yield where no router is in between, and the routers themselves."""
    for route in routes:
        hops = [route, *route.get("nexthops", ())]
        routers = [hop["gateway"] for hop in hops if "gateway" in hop]
        yield from (IPv4Network(router) for router in routers)
        is_far = bool(routers) or any("via" in hop for hop in hops)
        if not is_far and route["dst"] != "default":
            yield IPv4Network(route["dst"])


async def _ask(*words: str) -> list[dict[str, Any]]:
    command = ["ip", "-json", "-4", *words]
    problem = f"`{' '.join(command)}` does not list the networks near this host"
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=tool_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_ASK_LIMIT_S):
            output, errors = await process.communicate()
    except FileNotFoundError as error:
        raise HostError(problem, hint="apt-get install iproute2") from error
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise HostError(f"{problem} within {_ASK_LIMIT_S:.0f} s") from error
    if process.returncode != 0:
        raise HostError(f"{problem}: {errors.decode(errors='replace').strip()[-300:]}")
    told: list[dict[str, Any]] = json.loads(output or b"[]")
    return told
