"""Links between hosts: TCP; the writer listens, the reader connects and proves the secret."""

from __future__ import annotations

import fcntl
import json
import logging
import select
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from narval.control.proof import Side, is_same, prove
from narval.control.wire import BadMessageError, decode
from narval.errors import NarvalError
from narval.keepalive import watch_for_silence
from narval.links.waiting import AbortedError, Bell, wait_for

CONNECT_DEADLINE_S = 10.0
_HELLO_BYTES = 4096
_HELLO_DEADLINE_S = 5.0
_SIOCGIFADDR = 0x8915  # ref: netdevice(7)
_LARGEST = Path("/proc/sys/net/core/wmem_max")

logger = logging.getLogger(__name__)


def address_of_interface(interface: str) -> str | None:
    """Return the IPv4 address of a network interface; None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def listen(host: str, size_bytes: int) -> socket.socket:
    """Listen on a free port; buffers of connections are as large as the actor's.

    Raises:
        NarvalError: this host has no such address.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        _limit(listener, socket.SO_SNDBUF, size_bytes)
        listener.bind((host, 0))
        listener.listen()
    except OSError as error:
        listener.close()
        raise NarvalError(f"no link can be offered on {host}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def connect(at: Mapping[str, Any], secret: str, reader: str, size_bytes: int) -> socket.socket:
    """Connect to a writer, say which reader we are and prove the secret.

    Args:
        at: host, port and challenge, as `Output.offer` gives them.

    Raises:
        NarvalError: it cannot be reached.
    """
    host, port = at["host"], at["port"]
    hello = {"reader": reader, "proof": prove(secret, Side.READER, at["challenge"], reader)}
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        _limit(link, socket.SO_RCVBUF, size_bytes)
        link.settimeout(CONNECT_DEADLINE_S)
        link.connect((host, port))
        link.sendall(json.dumps(hello).encode() + b"\n")
    except OSError as error:
        link.close()
        reason = error.strerror or "no answer in time"
        raise NarvalError(f"the link at {host}:{port} cannot be reached: {reason}") from error
    watch_for_silence(link)
    link.setblocking(False)
    return link


def accept_readers(
    listener: socket.socket, proofs: Mapping[str, str], abort: Bell
) -> dict[str, socket.socket]:
    """Return a connection for each reader; whoever does not give its proof is closed.

    Raises:
        NarvalError: one did not come in time.
        AbortedError: the wait was given up.
    """
    found: dict[str, socket.socket] = {}
    deadline = time.monotonic() + CONNECT_DEADLINE_S
    try:
        while missing := proofs.keys() - found.keys():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise NarvalError(f"no link was made by {', '.join(sorted(missing))}")
            if not wait_for({listener.fileno(): select.POLLIN}, left_s, abort):
                if abort.is_rung:
                    raise AbortedError
                continue
            link, peer = listener.accept()
            reader = _read_hello(link, proofs)
            if reader in missing:
                watch_for_silence(link)
                link.setblocking(False)
                found[reader] = link
            else:
                logger.warning("somebody at %s wanted a link and was refused", peer[0])
                link.close()
    except BaseException:
        for link in found.values():
            link.close()
        raise
    return found


def _read_hello(link: socket.socket, proofs: Mapping[str, str]) -> str | None:
    """Return the reader's name, or None if it is not one of ours or does not prove the secret."""
    link.settimeout(_HELLO_DEADLINE_S)
    line = b""
    try:
        while not line.endswith(b"\n") and len(line) < _HELLO_BYTES:
            byte = link.recv(1)  # nothing behind the line may be taken; it comes once a link
            if not byte:
                return None
            line += byte
        said = decode(line)
    except (OSError, BadMessageError):
        return None
    given, reader = said.get("proof"), str(said.get("reader"))
    return reader if reader in proofs and is_same(given, proofs[reader]) else None


def _limit(link: socket.socket, which: int, size_bytes: int) -> None:
    """Set a buffer's size where the kernel allows it; else its own rule stays, which adapts."""
    try:
        largest = int(_LARGEST.read_text())
    except (OSError, ValueError):
        largest = 212_992
    if size_bytes <= largest:
        # The kernel doubles what it is given, for its own bookkeeping (socket(7)).
        link.setsockopt(socket.SOL_SOCKET, which, size_bytes)
