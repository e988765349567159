"""Which names on the internet a machine may reach, and the rules that follow. Pure.

A name is allowed as it is written, or, with `*.` before it, for all names below it. Its addresses
are opened when the machine asks for it, and close by themselves when it has not asked for a while.

Standard library only, as the process that uses it (gate.py).

ref: nft(8); docs/decisions/0029
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address

TABLE = "inet gate"
ADDRESSES = "allowed"
"""The set of addresses that are open now."""

OPEN_S = 3600
"""How long an address stays open after its name was asked for: programs remember what they were
told. A connection that exists is not cut."""

MARK = 0x766D
"""On questions that the gate itself asks: nobody else in the namespace has the right to set it."""

_WILDCARD = "*."


def is_allowed(name: str, allowed: Iterable[str]) -> bool:
    """Tell whether a machine may have this name's addresses; both in lower case."""
    return any(
        name.endswith(each.removeprefix("*")) if each.startswith(_WILDCARD) else name == each
        for each in allowed
    )


def choose_open(addresses: Iterable[IPv4Address]) -> tuple[IPv4Address, ...]:
    """Return those of a name's addresses that may be opened: on the internet, nobody's own.

    Whoever owns an allowed name could otherwise point it at the resolver behind the gate, or at
    something near the host.
    """
    return tuple(each for each in addresses if each.is_global and not each.is_multicast)


def make_gate(resolver: IPv4Address) -> str:
    """Return the rules, by which at first nothing leaves the namespace.

    Args:
        resolver: where the gate asks for names.
    """
    return f"""\
table {TABLE}
delete table {TABLE}
table {TABLE} {{
  set {ADDRESSES} {{ type ipv4_addr; flags timeout; size 65535; }}
  chain out {{
    type filter hook output priority 0; policy drop;
    oifname "lo" accept
    meta mark {MARK:#x} ip daddr {resolver} udp dport 53 accept
    ip daddr @{ADDRESSES} accept
    ct state established accept
    reject with icmpx type admin-prohibited
  }}
}}
"""


def make_opening(addresses: Collection[IPv4Address], seconds: int = OPEN_S) -> str:
    """Return what opens these addresses from now on, whether they were open or not.

    Kernels before 6.12 leave the time of an element that is there already as it was; so it is
    removed first, all in one step.
    """
    listed = ", ".join(map(str, addresses))
    timed = ", ".join(f"{each} timeout {seconds}s" for each in addresses)
    add = f"add element {TABLE} {ADDRESSES} {{ {timed} }}\n"
    return f"{add}delete element {TABLE} {ADDRESSES} {{ {listed} }}\n{add}"
