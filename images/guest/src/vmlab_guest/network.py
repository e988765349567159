"""The machine's address: told to the kernel directly, and nobody waits for DHCP or udev."""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.offline import apply_offline
from vmlab_guest.system import System, inside
from vmlab_protocol.seed import Network

_CARD_DEADLINE_S = 60.0
_ETHERNET = "1"  # ARPHRD_ETHER, linux/if_arp.h


def apply_network(system: System, network: Network) -> None:
    """Give the first network card this address, the default route and the name servers.

    Changes nothing that is right already, so that open connections survive a second seed.

    Raises:
        ApplyError: no network card appeared.
        OSError: the kernel refused.
    """
    classes = inside(system, "/sys/class/net")
    index = system.wait_for(lambda: find_card(classes), _CARD_DEADLINE_S)
    if index is None:
        raise ApplyError(f"no network card appeared within {_CARD_DEADLINE_S:g} s")
    system.set_address(index, network.address, network.gateway)
    # Without internet there is no resolver, not even one from when this machine had it: each
    # look-up would take half a minute.
    text = "".join(f"nameserver {server}\n" for server in network.dns)
    ensure_file(inside(system, "/etc/resolv.conf"), text or "# This lab has no internet.\n")
    apply_offline(system, is_offline=not network.dns)


def find_card(classes: Path) -> int | None:
    """Return the index of the first real Ethernet card below /sys/class/net.

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
            found.append(index)
    return min(found, default=None)
