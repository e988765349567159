"""QMP: the power button and the plug."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

_CONNECT_LIMIT_S = 5.0


@contextlib.asynccontextmanager
async def _qmp(socket: Path) -> AsyncGenerator[QMPClient]:
    client = QMPClient("vmlab")
    async with asyncio.timeout(_CONNECT_LIMIT_S):
        await client.connect(str(socket))
    try:
        yield client
    finally:
        await client.disconnect()


async def press_power_button(socket: Path) -> bool:
    """Ask the guest to power down; return whether QEMU took the request."""
    return await _command(socket, "system_powerdown")


async def pull_plug(socket: Path) -> bool:
    """Make QEMU flush its disks and end; return whether it took the request."""
    return await _command(socket, "quit")


async def _command(socket: Path, command: str) -> bool:
    # A QEMU that does not answer is a case for the caller's next, harder step.
    try:
        async with _qmp(socket) as client, asyncio.timeout(_CONNECT_LIMIT_S):
            await client.execute(command)
    except (QMPError, OSError, TimeoutError, EOFError):
        return False
    return True
