"""A command that the host has run in a machine, and how it went (docs/protocols.md, 1). Pure.

The host says `run` with the command once, and with its id alone as often as it wants to know how
it goes: a conversation with an agent is short, a command may take an hour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vmlab_protocol.errors import FormatError

MAX_COMMAND_BYTES = 96 * 1024
"""Less than what Linux takes as one word of a command line (128 KiB)."""

MAX_OUTPUT_CHARS = 8000
MAX_OUTPUT_BYTES = 14 * 1024
"""Of the output as JSON, so that its line stays within `messages.MAX_FROM_GUEST_BYTES`."""

MAX_RUN_S = 24 * 3600.0
MAX_STATUS = 255
_ID = re.compile(r"[0-9a-f]{8,64}")
_MAX_REFUSAL_CHARS = 300
_SHOWN = 40


@dataclass(frozen=True)
class RunRequest:
    """What the host asks for of one command."""

    id: str  # made by the host
    command: str = ""  # for /bin/sh; empty: how does it go?
    limit_s: float = 0.0  # since its begin; then it is killed
    stop: bool = False  # kill it now


@dataclass(frozen=True)
class RunReport:
    """How a command goes, by its machine's agent."""

    id: str
    status: int | None = None  # its exit status, or 128 and the signal's number; None: it runs
    output: str = ""  # the end of what it printed, once it has ended
    is_late: bool = False  # it was killed at its limit, or because the host said so
    refused: str = ""  # why it was not run, or is not known

    def to_json(self) -> dict[str, object]:
        """Return it as the rest of a `ran` message."""
        return {
            "id": self.id,
            "status": self.status,
            "output": self.output,
            "late": self.is_late,
            "refused": self.refused,
        }


def parse_run(message: Mapping[str, Any]) -> RunRequest:
    """Return what the host's message asks for.

    Raises:
        FormatError: it is not a request that a host may make.
    """
    said, command, limit_s = (message.get(key) for key in ("id", "command", "limit_s"))
    if not isinstance(said, str) or not _ID.fullmatch(said):
        raise FormatError(f"run: id {repr(said)[:_SHOWN]} is not one of 8 to 64 hexadecimal digits")
    if command is None:
        return RunRequest(said, stop=message.get("stop") is True)
    # Nothing of the command is shown: a secret may be in it.
    if not isinstance(command, str) or not command or "\0" in command:
        raise FormatError("run: the command is not a text")
    if len(command.encode()) > MAX_COMMAND_BYTES:
        raise FormatError(f"run: the command has more than {MAX_COMMAND_BYTES} bytes")
    if isinstance(limit_s, bool) or not isinstance(limit_s, int | float):
        raise FormatError(f"run: limit_s {repr(limit_s)[:_SHOWN]} is not a number of seconds")
    if not 0 < limit_s <= MAX_RUN_S:
        raise FormatError(f"run: limit_s {limit_s:g} is not between 0 and {MAX_RUN_S:g} seconds")
    return RunRequest(said, command, float(limit_s))


def parse_report(body: Mapping[str, Any]) -> RunReport | None:
    """Return what an agent says of a command; None: that is not a report."""
    said, status = body.get("id"), body.get("status")
    if not isinstance(said, str) or not _ID.fullmatch(said):
        return None
    if status is not None and (type(status) is not int or not 0 <= status <= MAX_STATUS):
        return None
    refused = clean_output(body.get("refused"), _MAX_REFUSAL_CHARS).replace("\n", " ")
    output = clean_output(body.get("output"))
    return RunReport(said, status, output, body.get("late") is True, refused)


def clean_output(value: Any, limit: int = MAX_OUTPUT_CHARS) -> str:
    """Return the end of a text from a machine; of control characters only the line break stays."""
    text = value[-limit:] if isinstance(value, str) else ""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def end_of_output(data: bytes) -> str:
    """Return the end of what a command printed, as much as one line of an agent takes."""
    text = clean_output(data.decode(errors="replace").replace("\r\n", "\n"))
    while len(json.dumps(text)) > MAX_OUTPUT_BYTES:
        text = text[len(text) // 8 + 1 :]
    return text
