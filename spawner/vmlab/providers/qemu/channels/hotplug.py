"""What is plugged into a machine at work and taken out again: a snapshot, its card in an event.

ref: QEMU QMP Reference Manual; commands are those of QEMU 7.2 and newer
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab.errors import ProviderError
from vmlab.providers.qemu.machine.disks import EVENT_BUS, SNAPSHOT_BUS, make_blockdev
from vmlab.providers.qemu.network.port import Port, PortKind
from vmlab_protocol.machine import SNAPSHOT_SERIAL

_SNAPSHOT, _SNAPSHOT_DEVICE = "snapshot", "snapshot0"
_EVENT, _EVENT_DEVICE = "event", "event0"
_UNPLUG_LIMIT_S = 30.0
_UNPLUG_POLL_S = 0.05


@dataclass(frozen=True)
class EventCard:
    """A card in the network of an event, to be plugged in."""

    port: Port  # its other end; lent
    mac: str


@dataclass(frozen=True)
class Belongings:
    """What a machine has beside its first card, from its first moment on."""

    volume: Path | None = None
    event: EventCard | None = None


class Hotplug(ABC):
    """A part of `vmlab.providers.qemu.channels.monitor.Monitor`."""

    _name: str

    @abstractmethod
    async def _execute(self, command: str, /, **arguments: Any) -> Any: ...

    @abstractmethod
    async def _ask_rows(self, command: str, /, **arguments: Any) -> list[dict[str, Any]]: ...

    @abstractmethod
    async def _lend(self, descriptor: int, name: str) -> None:
        """Give QEMU a descriptor of its own, by this name."""

    # -- the card in the network of an event ------------------------------------------------------

    async def plug_event_card(self, card: EventCard) -> None:
        """Plug in a second card."""
        await self._lend(card.port.descriptor, _EVENT)
        await self._execute("netdev_add", id=_EVENT, **describe_port(card.port.kind, _EVENT))
        await self._execute(
            "device_add",
            driver="virtio-net-pci",
            id=_EVENT_DEVICE,
            bus=EVENT_BUS,
            netdev=_EVENT,
            mac=card.mac,
            romfile="",
        )

    async def has_event_card(self) -> bool:
        """Tell whether the second card is plugged in."""
        return await self._has_device(_EVENT_DEVICE)

    async def unplug_event_card(self) -> None:
        """Take the second card out; no-op without one.

        Raises:
            ProviderError: the guest does not let go of it.
        """
        if await self.has_event_card():
            await self._unplug(_EVENT_DEVICE, "its card in the network of its event")
            await self._execute("netdev_del", id=_EVENT)

    # -- a snapshot ------------------------------------------------------------------------------

    async def plug_snapshot(self, path: str) -> None:
        """Plug in a copy of a snapshot as a second, read-only disk."""
        node = {**make_blockdev(_SNAPSHOT, path), "backing": None, "read-only": True}
        await self._execute("blockdev-add", **node)
        await self._execute(
            "device_add",
            driver="virtio-blk-pci",
            id=_SNAPSHOT_DEVICE,
            bus=SNAPSHOT_BUS,
            drive=_SNAPSHOT,
            serial=SNAPSHOT_SERIAL,
        )

    async def unplug_snapshot(self) -> None:
        """Take the second disk away; no-op without one.

        Raises:
            ProviderError: the guest does not let go of it.
        """
        if await self._has_device(_SNAPSHOT_DEVICE):
            await self._unplug(_SNAPSHOT_DEVICE, "the snapshot")
        refusal = ""
        try:
            async with asyncio.timeout(_UNPLUG_LIMIT_S):
                # A device that has gone lets go of its node a moment later.
                while refusal := await self._delete_node(_SNAPSHOT):  # noqa: ASYNC110
                    await asyncio.sleep(_UNPLUG_POLL_S)
        except TimeoutError as error:
            message = f"QEMU did not let go of the snapshot within {_UNPLUG_LIMIT_S:.0f} s"
            raise ProviderError(self._name, f"{message} {refusal}".rstrip()) from error

    async def _unplug(self, device: str, what: str) -> None:
        """Ask the guest for a device, and return when it has let go of it."""
        await self._execute("device_del", id=device)
        try:
            async with asyncio.timeout(_UNPLUG_LIMIT_S):
                # Asked for, not listened for: its event may have come before we were connected.
                while await self._has_device(device):  # noqa: ASYNC110
                    await asyncio.sleep(_UNPLUG_POLL_S)
        except TimeoutError as error:
            message = f"the guest did not let go of {what} within {_UNPLUG_LIMIT_S:.0f} s"
            raise ProviderError(self._name, message) from error

    async def _delete_node(self, node: str) -> str:
        """Delete a block node if it is there; return why QEMU refuses, or nothing."""
        nodes = await self._ask_rows("query-named-block-nodes", flat=True)
        if any(found.get("node-name") == node for found in nodes):
            try:
                await self._execute("blockdev-del", **{"node-name": node})
            except ProviderError as error:
                return f"({error})"
        return ""

    async def _has_device(self, device: str) -> bool:
        found = await self._ask_rows("qom-list", path="/machine/peripheral")
        return any(entry.get("name") == device for entry in found)


def describe_port(kind: PortKind, descriptor: str) -> dict[str, object]:
    """Return QEMU's words for a port by the name of its descriptor."""
    if kind is PortKind.TAP:
        return {"type": "tap", "fd": descriptor, "vhost": False}
    return {"type": "dgram", "local": {"type": "fd", "str": descriptor}}
