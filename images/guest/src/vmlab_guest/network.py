"""The machine's address, set with `ip`: nobody waits for DHCP."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.seed import Network
from vmlab_guest.system import System, inside

_LINK_DEADLINE_S = 60.0
_ETHERNET = "1"  # ARPHRD_ETHER, linux/if_arp.h
_ATTEMPTS = 5


def apply_network(system: System, network: Network) -> None:
    """Give the first network card this address, the default route and the name servers.

    Changes nothing that is right already, so that open connections survive a second seed.

    Raises:
        ApplyError: no network card appeared, or `ip` failed.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _apply_once(system, network)
            break
        except ApplyError:
            # Early in boot udev renames eth0 between our look and our command.
            if attempt == _ATTEMPTS - 1:
                raise
    if network.dns:
        text = "".join(f"nameserver {server}\n" for server in network.dns)
        ensure_file(inside(system, "/etc/resolv.conf"), text)


def find_card(classes: Path) -> str | None:
    """Return the name of the first real Ethernet card below /sys/class/net.

    First means lowest index; bridges and the like, which have no device behind them, do not count.
    """
    found = []
    for folder in classes.iterdir() if classes.is_dir() else ():
        try:
            kind = (folder / "type").read_text().strip()
            index = int((folder / "ifindex").read_text())
        except (OSError, ValueError):
            continue  # renamed or unplugged while we looked
        if kind == _ETHERNET and (folder / "device").exists():
            found.append((index, folder.name))
    return min(found)[1] if found else None


def make_ip_batch(card: str, network: Network, present: Collection[str]) -> str:
    """Return input for `ip -batch`: `card` with this address and route only.

    Args:
        present: the addresses, with prefix length, that the card has now.
    """
    wanted = str(network.address)
    lines = [f"addr del {old} dev {card}" for old in sorted(set(present) - {wanted})]
    lines.append(f"addr replace {wanted} dev {card}")
    lines.append(f"link set {card} up")
    lines.append(f"route replace default via {network.gateway} dev {card}")
    return "\n".join(["link set lo up", *lines]) + "\n"


def parse_addresses(text: str) -> tuple[str, ...]:
    """Return the IPv4 addresses in what `ip -o -4 addr show` prints."""
    words = [line.split() for line in text.splitlines()]
    return tuple(line[line.index("inet") + 1] for line in words if "inet" in line[:-1])


def _apply_once(system: System, network: Network) -> None:
    classes = inside(system, "/sys/class/net")
    card = system.wait_for(lambda: find_card(classes), _LINK_DEADLINE_S)
    if card is None:
        raise ApplyError(f"no network card appeared within {_LINK_DEADLINE_S:g} s")
    present = parse_addresses(system.run("ip", "-o", "-4", "addr", "show", "dev", card))
    system.run("ip", "-batch", "-", stdin=make_ip_batch(card, network, present))
