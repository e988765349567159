"""QMP, QEMU's control protocol: what is done to a machine from outside the guest.

ref: QEMU QMP Reference Manual; commands are those of QEMU 7.2 and newer
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient, QMPError
from qemu.qmp.qmp_client import ExecuteError

from vmlab import messages
from vmlab.errors import MachineConflictError, ProviderError
from vmlab.model import Bandwidth
from vmlab.providers.qemu.channels.hotplug import Belongings, Hotplug
from vmlab.providers.qemu.machine.disks import (
    CARD_BUS,
    ON_ERROR,
    VOLUME_BUS,
    make_blockdev,
)
from vmlab_protocol.machine import HOME_SERIAL, SERVER_PORT, SSH_PORT

INNER_SERVER_PORT = 8888
INNER_SSH_PORT = 2222
"""Where QEMU's user network listens, inside the machine's network namespace only."""

_THROTTLE_GROUP = "machine"

_VOLUME = "home"
_CONNECT_LIMIT_S = 15.0  # QEMU answers from its main loop, which a busy host keeps waiting
_COMMAND_LIMIT_S = 30.0
_MIGRATION_POLL_S = 0.005
_MIGRATION_LIMIT_S = 60.0

_log = logging.getLogger(__name__)

# What is in the memory file stays there; only the devices' state goes into the other file.
# ref: qemu/docs/system/vm-templating.rst
_IGNORE_SHARED = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}


def as_conflict(name: str, error: ProviderError) -> ProviderError:
    """Return what is wrong in plain words when QEMU could not lock a disk, else the same error."""
    if "Failed to get" not in error.message or "lock" not in error.message:
        return error
    return MachineConflictError(
        name,
        "its disk or volume is attached to another machine",
        hint="vmlab machine list shows which machine runs",
        public=messages.DISK_IN_USE,
    )


def make_mac(name: str) -> str:
    """Return the address of a machine's card: its own, and the same at each start."""
    digest = hashlib.sha256(f"mac {name}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, 0x00, *digest[:3]))


class Monitor(Hotplug):
    """An open control connection to one machine's QEMU."""

    def __init__(self, name: str, client: QMPClient) -> None:
        self._name = name
        self._client = client

    async def plug_in(self, own: Belongings, *, option_rom: bool = False) -> None:
        """Give a halted machine its network card, and what else belongs to it."""
        await self.plug_card(option_rom=option_rom)
        if own.volume:
            await self.plug_volume(own.volume)
        if own.event:
            await self.plug_event_card(own.event)

    async def plug_card(self, *, option_rom: bool) -> None:
        """Plug in the network card with its user network.

        The "host" that it sees is the machine's own network namespace (shim.py), where nothing
        listens but the relays to hub and proxy.

        Args:
            option_rom: give it the program that boots from the network, which costs seconds.
        """
        forwards = {INNER_SERVER_PORT: SERVER_PORT, INNER_SSH_PORT: SSH_PORT}
        await self._execute(
            "netdev_add",
            type="user",
            id="net0",
            ipv6=False,
            hostfwd=[
                {"str": f"tcp:127.0.0.1:{outer}-:{inner}"} for outer, inner in forwards.items()
            ],
        )
        rom = {} if option_rom else {"romfile": ""}
        await self._execute(
            "device_add",
            driver="virtio-net-pci",
            id="card0",
            bus=CARD_BUS,
            netdev="net0",
            mac=make_mac(self._name),
            **rom,
        )

    async def plug_volume(self, path: Path) -> None:
        """Plug in the volume's disk.

        Raises:
            MachineConflictError: another machine has it.
        """
        try:
            # Never through a reference in it: it must be self-contained.
            node = {**make_blockdev(_VOLUME, str(path)), "backing": None}
            await self._execute("blockdev-add", **node)
        except ProviderError as error:
            raise as_conflict(self._name, error) from error
        await self._execute(
            "device_add",
            driver="virtio-blk-pci",
            id="volume0",
            bus=VOLUME_BUS,
            drive=_VOLUME,
            serial=HOME_SERIAL,
            **ON_ERROR,
        )

    async def limit_disks(self, bandwidth: Bandwidth) -> None:
        """Set what all disks together may move; a limit of 0 is none.

        One group for all of them. Set on the running machine, so that no start is slower for it
        and no template depends on it.
        """
        for disk in await self._ask_rows("query-block"):
            if not disk.get("inserted"):
                continue
            await self._execute(
                "block_set_io_throttle",
                id=str(disk.get("qdev")),
                group=_THROTTLE_GROUP,
                bps=bandwidth.disk_mib_s * 2**20,
                bps_rd=0,
                bps_wr=0,
                iops=bandwidth.disk_iops,
                iops_rd=0,
                iops_wr=0,
            )

    async def disk_limits(self) -> dict[str, tuple[int, int, str]]:
        """Return bytes and requests a second of each disk, and the group that shares them."""
        return {
            str(disk["qdev"]): (
                int(disk["inserted"]["bps"]),
                int(disk["inserted"]["iops"]),
                str(disk["inserted"].get("group", "")),
            )
            for disk in await self._ask_rows("query-block")
            if disk.get("inserted")
        }

    # -- the volume of a running machine ----------------------------------------------------------

    async def take_snapshot(self, snapshot: str) -> None:
        """Take a snapshot inside the volume's file; the guest's writes wait meanwhile."""
        await self._execute("blockdev-snapshot-internal-sync", device=_VOLUME, name=snapshot)

    async def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot of the volume."""
        await self._execute("blockdev-snapshot-delete-internal-sync", device=_VOLUME, name=snapshot)

    async def grow_volume(self, size_mib: int) -> None:
        """Make the volume's disk larger; the guest notices."""
        await self._execute("block_resize", **{"node-name": _VOLUME, "size": size_mib * 2**20})

    async def is_out_of_room(self) -> bool:
        """Tell whether the guest was halted because the host had no room for a write."""
        status = await self._ask("query-status")
        return bool(status.get("status") == "io-error")

    async def resume(self) -> None:
        """Run the guest."""
        await self._execute("cont")

    async def pause(self) -> None:
        """Halt the guest."""
        await self._execute("stop")

    async def end(self) -> None:
        """Make QEMU flush its disks and end."""
        await self._execute("quit")

    async def power_down(self) -> None:
        """Press the power button."""
        await self._execute("system_powerdown")

    async def save_devices(self, path: Path) -> None:
        """Write the devices' state of a paused machine, whose memory is in a shared file.

        The guest must not run afterwards: memory and devices would part company.
        """
        await self._migrate("migrate", path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    async def load_devices(self, path: Path) -> None:
        """Take over the devices' state of the template whose memory this clone began with."""
        await self._migrate("migrate-incoming", path, os.O_RDONLY)

    async def _migrate(self, command: str, path: Path, flags: int) -> None:
        await self._execute("migrate-set-capabilities", **_IGNORE_SHARED)
        # By descriptor: QEMU's sandbox forbids `exec:`, and its user need not reach the file.
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            await self._lend(descriptor, "state")
        finally:
            os.close(descriptor)
        await self._execute(command, uri="fd:state")
        try:
            async with asyncio.timeout(_MIGRATION_LIMIT_S):
                while (status := await self._ask("query-migrate")).get("status") != "completed":
                    if status.get("status") in {"failed", "cancelled"}:
                        reason = status.get("error-desc", "QEMU gives no reason")
                        raise ProviderError(self._name, f"{command} of {path} failed: {reason}")
                    await asyncio.sleep(_MIGRATION_POLL_S)
        except TimeoutError as error:
            message = f"{command} of {path} took longer than {_MIGRATION_LIMIT_S:.0f} s"
            raise ProviderError(self._name, message) from error

    async def _lend(self, descriptor: int, name: str) -> None:
        self._client.send_fd_scm(descriptor)
        await self._execute("getfd", fdname=name)

    async def _ask(self, command: str, /, **arguments: Any) -> dict[str, Any]:
        """Return an answer that is an object: a QEMU taken over by an attacker may say anything."""
        answer = await self._execute(command, **arguments)
        if not isinstance(answer, dict):
            raise self._nonsense(command)
        return answer

    async def _ask_rows(self, command: str, /, **arguments: Any) -> list[dict[str, Any]]:
        """Return an answer that is a list of objects."""
        answer = await self._execute(command, **arguments)
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise self._nonsense(command)
        return answer

    def _nonsense(self, command: str) -> ProviderError:
        return ProviderError(self._name, f"QEMU's answer to {command} is invalid")

    async def _execute(self, command: str, /, **arguments: Any) -> Any:
        try:
            async with asyncio.timeout(_COMMAND_LIMIT_S):
                return await self._client.execute(command, arguments)
        except ExecuteError as error:
            raise ProviderError(self._name, f"QEMU refused {command}: {error}") from error
        except (QMPError, OSError, EOFError) as error:
            raise ProviderError(self._name, f"QEMU ended at {command}: {error!r}") from error
        except TimeoutError as error:
            message = f"QEMU did not answer {command} within {_COMMAND_LIMIT_S:.0f} s"
            raise ProviderError(self._name, message) from error


@contextlib.asynccontextmanager
async def open_monitor(name: str, socket: Path) -> AsyncGenerator[Monitor]:
    """Connect to QEMU's control socket; it serves one client at a time.

    Raises:
        ProviderError: nothing answers, or a command fails.
    """
    client = QMPClient(name)
    try:
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            await client.connect(str(socket))
    except (QMPError, OSError, EOFError, TimeoutError) as error:
        raise ProviderError(name, f"QEMU's control socket does not answer: {error!r}") from error
    try:
        yield Monitor(name, client)
    finally:
        try:
            await client.disconnect()
        except Exception as error:  # noqa: BLE001 - whatever the library raised on what QEMU sent
            _log.debug("%s: QEMU's control connection ended: %r", name, error)
