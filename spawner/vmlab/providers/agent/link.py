"""The conversation with the agent in a machine, over whatever stream (docs/protocols.md, 1).

All that the guest says is untrusted: a line is limited, `vmlab_protocol.messages` checks it before
anything else sees it, and a guest that chatters is cut off.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from vmlab import messages
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.base import AgentStream
from vmlab_protocol.messages import (
    ANSWERS,
    MAX_FROM_GUEST_BYTES,
    GuestMessage,
    GuestMessageType,
    HostMessageType,
    dump_line,
    parse_guest_line,
)

_MAX_LINES = 500  # in one start; a start needs about ten


class AgentLink:
    """One conversation; as a context manager it closes the stream at its end.

    Args:
        stream: from `ReachesAgents.open_agent`.
        doing: for the error when the machine ends meanwhile; left out, the machine is starting.
    """

    def __init__(self, stream: AgentStream, doing: str = "") -> None:
        self.name = stream.machine
        self.is_start = not doing
        """Whether what goes wrong here is about a start, for the words that a trainee reads."""
        self._doing = doing
        self._stream = stream
        self._lines = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.writer.close()

    async def send(self, kind: HostMessageType, **details: object) -> None:
        """Send one small message.

        Raises:
            GuestError: the machine ended.
        """
        await self.send_line(dump_line(kind, **details))

    async def send_line(self, line: bytes) -> None:
        """Send one line that ends with a newline; raises as `send`."""
        try:
            self._stream.writer.write(line)
            await self._stream.writer.drain()
        except OSError as error:
            raise self._ended() from error

    async def receive(self) -> GuestMessage:
        """Return the next message that makes sense.

        Raises:
            GuestError: the machine ended, or its agent broke the protocol.
        """
        while True:
            line = await self._read_line()
            self._lines += 1
            if self._lines > _MAX_LINES:
                raise GuestError(self.name, f"the agent sent more than {_MAX_LINES} messages")
            if message := parse_guest_line(line):
                return message

    async def ask(self, request: HostMessageType, wait_s: float, **details: object) -> GuestMessage:
        """Send a request and return the answer; all else that the agent says is passed over.

        Args:
            request: the message's type.
            wait_s: longest wait.
            details: what else the message says.

        Raises:
            MachineTimeoutError: it was not in time.
            GuestError: the agent could not do it, or the machine ended.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self.send(request, **details)
                while (said := await self.receive()).type is not ANSWERS[request]:
                    if said.type is GuestMessageType.ERROR:
                        why = said.text.removeprefix(f"{request}: ")  # some agents name it, too
                        raise GuestError(self.name, f"its agent cannot {request}: {why}")
        except TimeoutError as error:
            raise no_answer_error(self.name, request, wait_s) from error
        return said

    async def _read_line(self) -> bytes:
        """Return a line of the length that is allowed, whatever the engine's stream would take."""
        try:
            line = await self._stream.reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, OSError) as error:
            raise self._ended() from error
        except asyncio.LimitOverrunError as error:
            raise GuestError(self.name, f"the agent broke the protocol: {error}") from error
        if len(line) > MAX_FROM_GUEST_BYTES:
            message = f"the agent broke the protocol: it sent a line of {len(line)} bytes"
            raise GuestError(self.name, message)
        return line

    def _ended(self) -> GuestError:
        return GuestError(
            self.name,
            f"the machine ended while {self._doing or 'it was starting'}",
            hint=f"vmlab machine console {self.name}",
            public=messages.WENT_OFF if self.is_start else None,
        )


def no_answer_error(machine: str, request: HostMessageType, wait_s: float) -> MachineTimeoutError:
    """Return the error of an agent that did not answer in time."""
    return MachineTimeoutError(
        machine,
        f"its agent did not answer {request.value!r} within {wait_s:.0f} s",
        hint=f"vmlab machine console {machine}",
    )


async def open_unix_agent(machine: str, socket: Path) -> AgentStream:
    """Open the stream of an engine that has the agent's words at a unix socket.

    Raises:
        GuestError: nobody listens there.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=MAX_FROM_GUEST_BYTES)
    except OSError as error:
        raise GuestError(machine, f"its agent's port cannot be reached: {error}") from error
    return AgentStream(machine, reader, writer)
