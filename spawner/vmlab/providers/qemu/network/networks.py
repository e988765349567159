"""The networks of this host's events: made, machines plugged in, looked at, removed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from vmlab.errors import HostError
from vmlab.model import Card, NetworkSpec, NetworkStatus
from vmlab.providers.qemu.network.keeper import LOCK, SOCKET
from vmlab.providers.qemu.network.launching import ask, launch
from vmlab.providers.qemu.network.layout import Member, member_as_json, spec_as_json
from vmlab.providers.qemu.network.namespace import HOLDER_LOCK
from vmlab.providers.qemu.network.port import Port, PortKind
from vmlab.system.locks import is_locked, lock_holder

_MAX_PATH_BYTES = 107  # of a unix socket. ref: unix(7)
_END_LIMIT_S = 10.0
_POLL_S = 0.02


_NOWHERE = IPv4Network("192.0.2.0/24")
"""For a keeper that only takes a network down; the one of before knows the true ones. RFC 5737"""


def _no_scope(_unit: str) -> list[str]:
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
        self._turns: dict[str, asyncio.Lock] = {}

    async def ensure(self, spec: NetworkSpec) -> None:
        """Make the network, unless it is there as described; machines in it stay in it.

        A keeper that died is replaced by one that takes the namespace over.

        Raises:
            HostError: this host cannot make it.
            MachineConflictError: it is there with other addresses, and machines are in it.
        """
        async with self._turn(spec.name):
            await self._have_kept(spec)
            await ask(self._find(spec.name), "shape", spec=spec_as_json(spec))

    async def join(self, machine: str, card: Card) -> Port:
        """Make the network if need be, and give the machine its port: `ensure` and `plug`.

        No `remove` of this object comes between the two.

        Raises:
            HostError, MachineConflictError: as `ensure` and `plug`.
        """
        async with self._turn(card.network.name):
            await self._have_kept(card.network)
            return await self.plug(machine, card)

    async def plug(self, machine: str, card: Card) -> Port:
        """Give the machine its port; somebody keeps the network, which is shaped as the card says.

        A port that it had is replaced. Its names resolve from now on.

        Raises:
            HostError: the network is not there, or the host cannot make the port.
            MachineConflictError: another machine in it has that address, card or name.
        """
        member = member_as_json(Member(machine, card))
        said, descriptor = await ask(
            self._find(card.network.name), "plug", spec=spec_as_json(card.network), member=member
        )
        if descriptor is None:
            raise HostError(f"the network {card.network.name} gave {machine} no port: {said}")
        return Port(PortKind(said["kind"]), descriptor)

    async def unplug(self, machine: str) -> None:
        """Take the machine out of its network; no-op if it is in none.

        Also happens by itself when its QEMU ends, since the port ends with its descriptor.

        Raises:
            HostError: a keeper did not do it.
        """
        for folder in self._folders():
            if is_locked(str(folder / LOCK)):
                await ask(folder, "unplug", machine=machine)

    async def list(self) -> list[NetworkStatus]:
        """Return the networks that are there; whichever process made them."""
        return [await _look(folder) for folder in self._folders() if _is_there(folder)]

    async def remove(self, name: str) -> None:
        """Remove the network; machines in it go on without it. No-op if it is absent.

        Raises:
            HostError: it could not be removed; names what is left.
        """
        folder = self._find(name)
        async with self._turn(name):
            if not folder.is_dir():
                return
            if not is_locked(str(folder / LOCK)) and is_locked(str(folder / HOLDER_LOCK)):
                # A keeper that died left a namespace, and what is in it only a keeper can end.
                await launch(folder, NetworkSpec(name, _NOWHERE), self._scope(_unit(folder)))
            if is_locked(str(folder / LOCK)):
                await _ask_to_remove(folder)
                await _await_end(folder)
            try:
                await asyncio.to_thread(shutil.rmtree, folder)
            except OSError as error:
                if not folder.is_dir():
                    return  # another process of ours removed it at the same time
                raise HostError(
                    f"the network {name} is down, but its folder {folder} cannot be removed: "
                    f"{error}",
                    hint="remove the folder",
                ) from error

    async def connect(self, name: str, address: IPv4Address, port: int) -> socket.socket:
        """Return a TCP connection to a machine, opened inside the network; for checks and boards.

        Raises:
            HostError: the network is not there.
            ConnectionError: nobody answers there.
        """
        said, descriptor = await ask(self._find(name), "connect", address=str(address), port=port)
        if descriptor is None:
            raise ConnectionError(f"{name}: {said['silent']}")
        end = socket.socket(fileno=descriptor)
        end.setblocking(False)
        return end

    async def _have_kept(self, spec: NetworkSpec) -> None:
        """Start a keeper unless one keeps the network, whatever it is like."""
        folder = self._find(spec.name)
        if not is_locked(str(folder / LOCK)):
            await launch(folder, spec, self._scope(_unit(folder)))

    # -- folders ----------------------------------------------------------------------------------

    def _find(self, name: str) -> Path:
        folder = self._folder / name
        if len(os.fsencode(folder / SOCKET)) > _MAX_PATH_BYTES:
            raise HostError(
                f"{folder} is too long for a unix socket ({_MAX_PATH_BYTES} bytes at most)",
                hint="set VMLAB_STATE to a shorter path",
            )
        return folder

    def _folders(self) -> Sequence[Path]:
        return sorted(self._folder.iterdir()) if self._folder.is_dir() else []

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())


def _unit(folder: Path) -> str:
    """Return the name of the keeper's scope; unique on this host, not only in this lab."""
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()
    return f"vmlab-network-{folder.name}-{digest[:8]}"


def _is_there(folder: Path) -> bool:
    return is_locked(str(folder / LOCK)) or is_locked(str(folder / HOLDER_LOCK))


async def _look(folder: Path) -> NetworkStatus:
    if not is_locked(str(folder / LOCK)):
        problem = "its keeper has ended: its machines meet, but names are not answered"
        return NetworkStatus(folder.name, problem=problem)
    try:
        said, _ = await ask(folder, "status")
    except HostError as error:
        return NetworkStatus(folder.name, problem=error.message)
    return NetworkStatus(folder.name, tuple(said["machines"]), tuple(said["flooding"]))


async def _ask_to_remove(folder: Path) -> None:
    """Have the keeper take the network down, unless another process of ours just had it do so."""
    try:
        await ask(folder, "remove")
    except HostError:
        if is_locked(str(folder / LOCK)):
            raise


async def _await_end(folder: Path) -> None:
    """Return when the keeper has ended, and with it the network.

    Raises:
        HostError: it goes on.
    """
    lock = folder / LOCK
    try:
        async with asyncio.timeout(_END_LIMIT_S):
            while is_locked(str(lock)):  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        pid = lock_holder(str(lock))
        raise HostError(
            f"the network {folder.name} is down, but its keeper, process {pid}, does not end",
            hint=f"kill {pid}",
        ) from error
