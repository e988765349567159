"""The networks of this host's events: made, machines plugged in, looked at, removed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from vmlab.model import Card, NetworkSpec, NetworkStatus
from vmlab.providers.qemu.network.port import Port


def _no_scope(unit: str) -> list[str]:
    return []


class EventNetworks:
    """All networks below one folder, whichever process of ours made them.

    Args:
        folder: `Paths.networks`; one folder for each network appears in it.
        scope: returns the words before a command that put it into a systemd scope of this name,
            where that is needed to outlive the hub (`confine.make_scope_words`).
    """

    def __init__(self, folder: Path, scope: Callable[[str], list[str]] = _no_scope) -> None:
        self._folder = folder
        self._scope = scope

    async def ensure(self, spec: NetworkSpec) -> None:
        """Make the network, unless it is there as described; machines in it stay in it.

        A keeper that died is replaced by one that takes the namespace over.

        Raises:
            HostError: this host cannot make it.
            MachineConflictError: it is there with other addresses, and machines are in it.
        """
        raise NotImplementedError

    async def plug(self, machine: str, card: Card) -> Port:
        """Give the machine its port; the network is there (`ensure`).

        A port that it had is replaced. Its names resolve from now on.

        Raises:
            HostError: the network is not there, or the host cannot make the port.
            MachineConflictError: another machine in it has that address, card or name.
        """
        raise NotImplementedError

    async def unplug(self, machine: str) -> None:
        """Take the machine out of its network; no-op if it is in none.

        Also happens by itself when its QEMU ends, since the port ends with its descriptor.

        Raises:
            HostError: a keeper did not do it.
        """
        raise NotImplementedError

    async def list(self) -> list[NetworkStatus]:
        """Return the networks that are there; whichever process made them."""
        raise NotImplementedError

    async def remove(self, name: str) -> None:
        """Remove the network; machines in it go on without it. No-op if it is absent.

        Raises:
            HostError: it could not be removed; names what is left.
        """
        raise NotImplementedError

    async def connect(self, name: str, address: IPv4Address, port: int) -> socket.socket:
        """Return a TCP connection to a machine, opened inside the network; for checks and boards.

        Raises:
            HostError: the network is not there.
            OSError: nobody answers there.
        """
        raise NotImplementedError
