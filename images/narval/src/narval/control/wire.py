"""Messages of the control protocol as lines of JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from narval.errors import NarvalError
from narval.outside import load_json

MAX_LINE_BYTES = 2**20
"""What one message may hold, its line feed included."""

Message = dict[str, Any]


class BadMessageError(NarvalError):
    """A line that is not a message, or one that is too large."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message's line.

    Raises:
        BadMessageError: it is larger than MAX_LINE_BYTES, or JSON has no place for a value in it.
    """
    try:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise BadMessageError(f"not sent, JSON cannot hold it: {error}") from error
    if len(line) > MAX_LINE_BYTES:
        raise BadMessageError(f"not sent: {len(line)} bytes; a message has {MAX_LINE_BYTES}")
    return line


def decode(line: bytes) -> Message:
    """Return the message of a line.

    Raises:
        BadMessageError: it is not a JSON object.
    """
    try:
        message = load_json(line)
    except ValueError as error:
        raise BadMessageError(f"a line that is not JSON: {line[:60]!r}") from error
    if not isinstance(message, dict):
        raise BadMessageError(f"a line that is not a JSON object: {line[:60]!r}")
    return message
