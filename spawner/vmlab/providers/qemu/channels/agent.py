"""The conversation with the agent in the machine, over virtio-serial (docs/protocols.md, 1).

All that the guest says is untrusted: a line is limited, its type must be known, its texts are cut
and cleaned before anything else sees them, and a guest that chatters is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from vmlab import messages
from vmlab.errors import GuestError
from vmlab.model import Activity, Phase, ServerTrouble
from vmlab.system.outside import load_json

_LINE_BYTES = 16 * 1024
_MESSAGE_CHARS = 1000
_MAX_REASONS = 5
_REASON_CHARS = 100
_MAX_IDLE_S = 10 * 366 * 86400.0
_TROUBLE_CHARS = 300
_MAX_ENDS = 1000
_MAX_LINES = 500  # in one start; a start needs about ten

GUEST_PHASES = frozenset(
    {Phase.IDENTITY, Phase.KEYS, Phase.NETWORK, Phase.MOUNTS, Phase.EXERCISES, Phase.SERVER}
)


class GuestMessageType(StrEnum):
    """What an agent may say."""

    STATUS = "status"
    PHASE = "phase"
    SEEDED = "seeded"
    ERROR = "error"
    PARKED = "parked"
    WARMED = "warmed"
    ACTIVITY = "activity"
    WARNED = "warned"
    SPEAKS = "speaks"
    FROZEN = "frozen"
    THAWED = "thawed"
    GROWN = "grown"
    SHOWN = "shown"
    HIDDEN = "hidden"
    TIMED = "timed"


_TYPES = frozenset(GuestMessageType)


@dataclass(frozen=True)
class GuestMessage:
    """One checked message from the agent."""

    type: GuestMessageType
    phase: Phase | None = None
    text: str = ""
    seeded: bool = False
    activity: Activity | None = None  # of ACTIVITY
    was_frozen: bool = False
    trouble: ServerTrouble | None = None  # of STATUS and ACTIVITY


def parse_guest_line(line: bytes) -> GuestMessage | None:
    """Return the message in this line, or None when it is none that an agent may send."""
    try:
        body = load_json(line)
    except ValueError:
        return None
    said = body.get("type") if isinstance(body, dict) else None
    if not isinstance(said, str) or said not in _TYPES:
        return None
    kind = GuestMessageType(said)
    phase = _parse_phase(body.get("phase"))
    if kind is GuestMessageType.PHASE and phase is None:
        return None
    activity = _parse_activity(body) if kind is GuestMessageType.ACTIVITY else None
    if kind is GuestMessageType.ACTIVITY and activity is None:
        return None
    return GuestMessage(
        kind,
        phase,
        clean_text(body.get("message")),
        seeded=body.get("seeded") is True,
        activity=activity,
        was_frozen=body.get("was_frozen") is True,
        trouble=_parse_trouble(body.get("trouble")),
    )


def _parse_trouble(value: Any) -> ServerTrouble | None:
    ends = value.get("ends") if isinstance(value, dict) else None
    if type(ends) is not int or not ends > 0:
        return None
    line = clean_text(value.get("line"), _TROUBLE_CHARS)
    return ServerTrouble(min(ends, _MAX_ENDS), value.get("plain") is True, line)


def _parse_activity(body: dict[str, Any]) -> Activity | None:
    idle_s, why = body.get("idle_s"), body.get("why")
    if isinstance(idle_s, bool) or not isinstance(idle_s, int | float):
        return None
    if not 0 <= idle_s <= _MAX_IDLE_S:
        return None
    reasons = why[:_MAX_REASONS] if isinstance(why, list) else []
    return Activity(float(idle_s), tuple(clean_text(word, _REASON_CHARS) for word in reasons))


def _parse_phase(value: Any) -> Phase | None:
    return Phase(value) if isinstance(value, str) and value in GUEST_PHASES else None


def clean_text(value: Any, limit: int = _MESSAGE_CHARS) -> str:
    """Return text from a machine without control characters and within the limit."""
    text = value if isinstance(value, str) else ""
    return "".join(char if char.isprintable() else " " for char in text[:limit])


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

    async def send(self, message: dict[str, Any]) -> None:
        """Send one small message.

        Raises:
            GuestError: the machine ended.
        """
        await self.send_line(json.dumps(message).encode() + b"\n")

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
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=_LINE_BYTES)
    except OSError as error:
        raise GuestError(name, f"its agent's port cannot be reached: {error}") from error
    try:
        yield AgentLink(name, reader, writer, doing)
    finally:
        writer.close()
