"""The way to a machine's sshd, for engines that have it at a unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

from vmlab.errors import GuestError
from vmlab.providers.base import SshStream


async def open_unix_ssh(machine: str, socket: Path) -> SshStream:
    """Connect.

    Raises:
        GuestError: nobody listens there.
    """
    try:
        return SshStream(*await asyncio.open_unix_connection(str(socket)))
    except OSError as error:
        raise GuestError(machine, f"its sshd cannot be reached: {error}") from error
