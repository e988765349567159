"""What the hub says to the process of the jump host, over a unix socket that only its user opens.

One line of JSON, and one as the answer. After the answer to CARRY the connection carries the bytes
of SSH, unless it was refused; with all others it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vmlab.errors import HostError
from vmlab.providers.base import SshStream
from vmlab_protocol.errors import FormatError
from vmlab_protocol.outside import load_json

MAX_LINE_BYTES: Final = 64 * 1024
MAX_PATH_BYTES: Final = 107
"""Of a unix socket; the 108th ends it (unix(7))."""

_ANSWER_LIMIT_S: Final = 10.0
_SHOWN: Final = 200


def find_socket_problem(path: Path) -> str:
    """Return why there can be no unix socket of this path; empty: there can."""
    size = len(os.fsencode(path))
    if size <= MAX_PATH_BYTES:
        return ""
    return f"{path} is too long for a unix socket: {size} bytes, at most {MAX_PATH_BYTES}"


class Verb(StrEnum):
    """What the hub may ask for."""

    CARRY = "carry"  # what follows is SSH, from the address that is named
    END = "end"  # the connections of the user who is named
    BUSY = "busy"  # which machines have an open channel


@dataclass(frozen=True)
class Request:
    """One request."""

    verb: Verb
    about: str = ""  # an address, or a user

    def line(self) -> bytes:
        """Return it as it travels."""
        return json.dumps(asdict(self)).encode() + b"\n"


def parse_request(line: bytes) -> Request:
    """Return the request in a line.

    Raises:
        FormatError: it is not one.
    """
    try:
        body = load_json(line)
        verb, about = body["verb"], body["about"]
        if isinstance(verb, str) and isinstance(about, str) and about.isprintable():
            return Request(Verb(verb), about)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"not a request: {type(error).__name__}") from error
    raise FormatError("not a request: verb and about must be texts")


class JumpControl:
    """The hub's end. Each call is a connection of its own, so that a restarted process is found.

    Args:
        socket: where the process listens.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def carry(self, address: str) -> SshStream:
        """Open a connection to the jump host for a client at this address.

        Raises:
            HostError: the jump host does not run, or has no room.
        """
        stream, answer = await self._ask(Request(Verb.CARRY, address))
        if refused := answer.get("refused"):
            stream.writer.close()
            raise HostError(f"SSH from {address} refused: {str(refused)[:_SHOWN]}")
        return stream

    async def end(self, user: str) -> int:
        """Close all connections of this user; return how many; 0 where no jump host runs.

        Raises:
            HostError: the jump host does not answer.
        """
        if not self._socket.exists():
            return 0
        answer = await self._ask_once(Request(Verb.END, user))
        return int(answer.get("ended", 0))

    async def busy_machines(self) -> frozenset[str]:
        """Return the machines to which somebody has a channel open; raises as `end`."""
        if not self._socket.exists():
            return frozenset()
        answer = await self._ask_once(Request(Verb.BUSY))
        return frozenset(map(str, answer.get("machines", ())))

    async def _ask_once(self, request: Request) -> dict[str, Any]:
        stream, answer = await self._ask(request)
        stream.writer.close()
        return answer

    async def _ask(self, request: Request) -> tuple[SshStream, dict[str, Any]]:
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                reader, writer = await asyncio.open_unix_connection(
                    str(self._socket), limit=MAX_LINE_BYTES
                )
                try:
                    writer.write(request.line())
                    answer = load_json(await reader.readuntil(b"\n"))
                except BaseException:
                    writer.close()
                    raise
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise HostError(
                f"the jump host for SSH does not answer {request.verb}: {error!r}",
                hint="the hub starts it again within a minute; `vmlab log` has its last words",
            ) from error
        return SshStream(reader, writer), answer
