"""The conversation with the agent in the machine, over virtio-serial (docs/protocols.md, 1).

All that the guest says is untrusted: a line is limited, `vmlab_protocol.messages` checks it before
anything else sees it, and a guest that chatters is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from vmlab import messages
from vmlab.errors import GuestError
from vmlab_protocol.messages import (
    MAX_FROM_GUEST_BYTES,
    GuestMessage,
    HostMessageType,
    dump_line,
    parse_guest_line,
)

_MAX_LINES = 500  # in one start; a start needs about ten


class AgentLink:
    """An open connection to one machine's agent."""

    def __init__(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        doing: str = "it was starting",
    ) -> None:
        self.name = name
        self._doing = doing
        self._reader = reader
        self._writer = writer
        self._lines = 0

    async def send(self, kind: HostMessageType, **details: object) -> None:
        """Send one small message.

        Raises:
            GuestError: the machine ended.
        """
        await self.send_line(dump_line(kind, **details))

    async def send_line(self, line: bytes) -> None:
        """Send one line that ends with a newline; raises as `send`."""
        try:
            self._writer.write(line)
            await self._writer.drain()
        except OSError as error:
            raise self._ended() from error

    async def receive(self) -> GuestMessage:
        """Return the next message that makes sense.

        Raises:
            GuestError: the machine ended, or its agent broke the protocol.
        """
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except (asyncio.IncompleteReadError, OSError) as error:
                raise self._ended() from error
            except asyncio.LimitOverrunError as error:
                raise GuestError(self.name, f"the agent broke the protocol: {error}") from error
            self._lines += 1
            if self._lines > _MAX_LINES:
                raise GuestError(self.name, f"the agent sent more than {_MAX_LINES} messages")
            if message := parse_guest_line(line):
                return message

    def _ended(self) -> GuestError:
        return GuestError(
            self.name,
            f"the machine ended while {self._doing}",
            hint=f"vmlab machine console {self.name}",
            public=messages.WENT_OFF,
        )


@contextlib.asynccontextmanager
async def connect_agent(
    name: str, socket: Path, doing: str = "it was starting"
) -> AsyncGenerator[AgentLink]:
    """Connect to the agent's port; QEMU accepts one client at a time, the next one waits.

    Args:
        name: the machine's.
        socket: the host's end of the port.
        doing: for the error when the machine ends meanwhile.

    Raises:
        GuestError: the machine does not run.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=MAX_FROM_GUEST_BYTES)
    except OSError as error:
        raise GuestError(name, f"its agent's port cannot be reached: {error}") from error
    try:
        yield AgentLink(name, reader, writer, doing)
    finally:
        writer.close()
