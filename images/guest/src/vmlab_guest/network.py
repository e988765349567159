"""The machine's addresses: told to the kernel directly, and nobody waits for DHCP or udev.

The first card leads to the hub, and to the internet if the lab has any; a second one is the
machine's place in the network of its event, and leads nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.offline import apply_offline
from vmlab_guest.system import System, inside
from vmlab_protocol.seed import EventNetwork, Network

_CARD_DEADLINE_S = 60.0
_ETHERNET = "1"  # ARPHRD_ETHER, linux/if_arp.h
_MULTICAST = IPv4Network("224.0.0.0/4")


@dataclass(frozen=True)
class Card:
    """A real Ethernet card."""

    index: int  # no renaming changes it
    name: str
    mac: str


def apply_network(system: System, network: Network, event: EventNetwork | None = None) -> None:
    """Give the cards their addresses, routes and name servers.

    Changes nothing that is right already, so that open connections survive a second seed.

    Raises:
        ApplyError: a card did not appear.
        OSError: the kernel refused.
    """
    event_mac = event.mac if event else ""
    card = _await_card(system, "no network card", lambda card: card.mac != event_mac)
    system.set_address(card.index, network.address, network.gateway)
    if event:
        _join_event(system, event)
    # Without internet there is no resolver, not even one from when this machine had it: each
    # look-up would take half a minute.
    text = make_resolv_conf(network, event)
    ensure_file(inside(system, "/etc/resolv.conf"), text or "# This lab has no internet.\n")
    apply_offline(system, is_offline=not network.dns)


def _join_event(system: System, event: EventNetwork) -> None:
    """Give the event's card its address. Multicast goes there: nobody else is to hear it."""
    missing = f"no network card {event.mac} of the event"
    card = _await_card(system, missing, lambda card: card.mac == event.mac)
    # The network is IPv4 only. A kernel without IPv6 has no such switch, nor has a card that was
    # renamed just now: what it says is then dropped on the way.
    with contextlib.suppress(FileNotFoundError):
        switch = inside(system, f"/proc/sys/net/ipv6/conf/{card.name}/disable_ipv6")
        switch.write_text("1\n", encoding="ascii")
    system.set_address(card.index, event.address, None)
    system.set_route(card.index, _MULTICAST)


def make_resolv_conf(network: Network, event: EventNetwork | None) -> str:
    """Return whom to ask for names; an empty text when there is nobody.

    The event's resolver is asked first and refuses what it does not know, so that the C library
    goes on to the next one at once. A name is searched nowhere but in itself: `server` is one.
    """
    if event is None:
        return "".join(f"nameserver {server}\n" for server in network.dns)
    servers = "".join(f"nameserver {server}\n" for server in (*event.dns, *network.dns))
    return f"search .\noptions timeout:1 attempts:2\n{servers}"


def _await_card(system: System, missing: str, wanted: Callable[[Card], bool]) -> Card:
    classes = inside(system, "/sys/class/net")

    def find() -> Card | None:
        # The one with the lowest index came first.
        found = [card for card in list_cards(classes) if wanted(card)]
        return min(found, key=lambda card: card.index, default=None)

    card = system.wait_for(find, _CARD_DEADLINE_S)
    if card is None:
        raise ApplyError(f"{missing} appeared within {_CARD_DEADLINE_S:g} s")
    return card


def list_cards(classes: Path) -> Iterator[Card]:
    """Yield the real Ethernet cards below /sys/class/net.

    Bridges and the like, which have no device behind them, do not count.
    """
    for folder in classes.iterdir() if classes.is_dir() else ():
        try:
            kind = (folder / "type").read_text().strip()
            index = int((folder / "ifindex").read_text())
            mac = (folder / "address").read_text().strip()
        except (OSError, ValueError):
            continue  # renamed or unplugged while we looked
        if kind == _ETHERNET and (folder / "device").exists():
            yield Card(index, folder.name, mac)
