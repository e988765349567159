"""Whether an NFS server answers: the call that does nothing, over a connection of its own.

It touches no mounted file system, so that it ends after its limit whatever the server does.
ref: RFC 5531 (the call and its record), RFC 7530 (16.1: NULL of NFS version 4)
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

Ask = Callable[[str, int, float], bool]
"""Whether the server at this address and port answers within so many seconds, as `answers`."""

_LAST = 0x80000000  # of a record's fragments
_CALL, _REPLY = 0, 1
_RPC_VERSION, _NFS, _NFS_VERSION, _NULL = 2, 100003, 4, 0
_ANSWER = struct.Struct(">7I")  # record, id, reply, accepted, verifier's kind and length, success
_ANSWER_BYTES = 24  # of a record without verifier


def make_call(number: int) -> bytes:
    """Return the call with this number. Pure."""
    body = struct.pack(">10I", number, _CALL, _RPC_VERSION, _NFS, _NFS_VERSION, _NULL, 0, 0, 0, 0)
    return struct.pack(">I", _LAST | len(body)) + body


def is_answer(data: bytes, number: int) -> bool:
    """Return whether this is the answer to the call with this number, and says that all is well."""
    if len(data) != _ANSWER.size:
        return False
    return _ANSWER.unpack(data) == (_LAST | _ANSWER_BYTES, number, _REPLY, 0, 0, 0, 0)


def answers(server: str, port: int, limit_s: float) -> bool:
    """Return whether the server answers within the limit."""
    end_s = time.monotonic() + limit_s
    number = int(os.urandom(4).hex(), 16)
    data = b""
    try:
        with socket.create_connection((server, port), limit_s) as connection:
            connection.sendall(make_call(number))
            while len(data) < _ANSWER.size:
                connection.settimeout(max(0.01, end_s - time.monotonic()))
                more = connection.recv(_ANSWER.size - len(data))
                if not more:
                    break
                data += more
    except OSError:
        return False
    return is_answer(data, number)
