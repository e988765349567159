"""The network that a keeper keeps: what it knows of it, and what is done with it.

Standard library only.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from vmlab.model import NetworkSpec
from vmlab.providers.qemu.network import bridge
from vmlab.providers.qemu.network.layout import (
    BRIDGE,
    Member,
    find_clash,
    find_mistake,
    names_address,
    read_record,
    record_as_json,
    spec_as_json,
)
from vmlab.providers.qemu.network.name_server import NameServer
from vmlab.providers.qemu.network.names import Names
from vmlab.providers.qemu.network.port import Port, PortKind
from vmlab.providers.qemu.network.ports import Cable, find_kind, finish_checksums, open_tap
from vmlab_protocol.atomic import write_atomic

RECORD = Path("network.json")
"""What a keeper leaves to its successor, in the folder where it works."""

_CONNECT_LIMIT_S = 5.0


class ConflictError(Exception):
    """What is asked for cannot be beside what is there."""


class KeptNetwork:
    """Bridge, ports and names of one network; made or taken over by `begin`."""

    def __init__(self) -> None:
        self._spec: NetworkSpec | None = None
        self._members: dict[str, Member] = {}  # those that left are known by name until replaced
        self._cables: dict[str, Cable] = {}
        self._cutting: set[asyncio.Task[None]] = set()
        self._server: NameServer | None = None

    async def begin(self, spec: NetworkSpec, *, taken_over: bool) -> None:
        """Make the network as described, or go on with the one that a former keeper left.

        Raises:
            CommandError, OSError: the kernel refused.
            ConflictError: there can be no such network.
        """
        if taken_over:
            # What a former keeper carried was cut when it died.
            names = bridge.find_interfaces()
            await bridge.remove(name for name in names if name.startswith("o"))
            spec = self._read_record() or spec
        await self._set_up(spec)

    async def shape(self, spec: NetworkSpec) -> None:
        """Make the network as described; raises as `begin`, and if machines are in the way."""
        assert self._spec is not None  # noqa: S101 - `begin` comes first
        if spec == self._spec and self._server:
            return
        if spec.addresses != self._spec.addresses and (here := self._here()):
            raise ConflictError(
                f"it has the addresses {self._spec.addresses}, not {spec.addresses}, and "
                f"{len(here)} machines are in it, {here[0].machine} for one"
            )
        if spec.addresses != self._spec.addresses:
            self._members.clear()
        await self._set_up(spec)

    async def plug(self, member: Member) -> Port:
        """Return a port for this machine; one that it had is replaced. Raises as `begin`."""
        here = self._here()
        if mistake := find_clash(member, here):
            raise ConflictError(mistake)
        await self._take_away(member.machine)
        if member.interface in bridge.find_interfaces():  # of a machine that nobody wrote down
            await bridge.retire(member.interface)
        # The names of machines that left stay known until another machine has them.
        left = {k: m for k, m in self._members.items() if not find_clash(member, [m])}
        self._members = {**left, member.machine: member}
        port = await self._open_port(member)
        try:
            await bridge.set_members([*(m for m in here if m.machine != member.machine), member])
            await bridge.join(member)
        except BaseException:
            port.close()
            raise
        self._write_down()
        return port

    async def unplug(self, machine: str) -> None:
        """Take this machine out; no-op if it is not in. Its names stay. Raises as `begin`."""
        if await self._take_away(machine):
            await bridge.set_members(self._here())

    async def status(self) -> dict[str, Any]:
        """Return what the network is like; raises as `begin`."""
        assert self._spec is not None  # noqa: S101 - `begin` comes first
        flooding = await bridge.find_flooding()
        here = self._here()
        return {
            "spec": spec_as_json(self._spec),
            "machines": [member.machine for member in here],
            "flooding": [member.machine for member in here if member.interface in flooding],
        }

    async def connect(self, address: IPv4Address, port: int) -> socket.socket:
        """Return a TCP connection to a machine, opened in the namespace.

        Raises:
            OSError: nobody answers there.
        """
        end = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                await asyncio.get_running_loop().sock_connect(end, (str(address), port))
        except BaseException:
            end.close()
            raise
        return end

    async def take_down(self) -> None:
        """Remove the bridge: ports that machines still hold lead nowhere. Raises as `begin`."""
        self._close_server()
        await bridge.remove([BRIDGE])
        for cable in self._cables.values():
            cable.close()

    # -- ports ------------------------------------------------------------------------------------

    def _here(self) -> list[Member]:
        """Return the machines that have a port, an interface that somebody holds, by name."""
        interfaces = bridge.find_interfaces()
        here = (each for each in self._members.values() if each.interface in interfaces)
        return sorted(here, key=lambda member: member.machine)

    async def _open_port(self, member: Member) -> Port:
        if find_kind() is PortKind.TAP:
            return Port(PortKind.TAP, open_tap(member.interface))
        await bridge.add_cable(member)
        finish_checksums(member.interface)
        cable = Cable(member.outer, lambda: self._begin_cut(member.interface))
        self._cables[member.interface] = cable
        return Port(PortKind.DGRAM, cable.descriptor)

    async def _take_away(self, machine: str) -> bool:
        """Free the interface of a port that this machine had; tell whether it had one."""
        if self._cutting:
            await asyncio.wait(self._cutting)
        old = self._members.get(machine)
        if old is None or old.interface not in bridge.find_interfaces():
            return False
        if cable := self._cables.pop(old.interface, None):
            cable.close()
            await bridge.remove([old.interface])
        else:
            await bridge.retire(old.interface)
        return True

    def _begin_cut(self, interface: str) -> None:
        """Remove the interface of a cable whose QEMU has ended."""
        del self._cables[interface]
        cutting = asyncio.create_task(bridge.remove([interface]))
        self._cutting.add(cutting)
        cutting.add_done_callback(self._cutting.discard)

    # -- what is known ----------------------------------------------------------------------------

    async def _set_up(self, spec: NetworkSpec) -> None:
        if mistake := find_mistake(spec):
            raise ConflictError(mistake)
        await bridge.set_up(spec, self._here())
        finish_checksums(BRIDGE)
        self._close_server()
        self._spec = spec
        self._server = NameServer(names_address(spec))
        self._write_down()

    def _close_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    def _write_down(self) -> None:
        """Tell the name server what is known, and a later keeper."""
        assert self._spec is not None  # noqa: S101 - `begin` comes first
        assert self._server is not None  # noqa: S101
        members = self._members.values()
        self._server.names = Names.of(self._spec.addresses, members)
        write_atomic(RECORD, record_as_json(self._spec, members), durable=False)

    def _read_record(self) -> NetworkSpec | None:
        """Return what the former keeper wrote, remembering its members; None: it cannot be read.

        Then no port of before may send any more, and its machine is plugged in again.
        """
        try:
            spec, members = read_record(RECORD.read_bytes())
        except (OSError, ValueError):
            return None
        self._members = {member.machine: member for member in members}
        return spec
