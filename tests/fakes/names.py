"""Names below .localhost are the loopback, as for every browser; so is the tests' lab.

Python leaves names to the host's resolver, and not every one knows RFC 6761.
"""

from __future__ import annotations

import socket
from typing import Any

LAB_NAME = "lab.example.org"

_resolve = socket.getaddrinfo


def resolve_localhost() -> None:
    """Have this process find such names from now on."""
    socket.getaddrinfo = _getaddrinfo


def _getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
    is_local = isinstance(host, str) and host.endswith((".localhost", LAB_NAME))
    return _resolve("127.0.0.1" if is_local else host, *more, **options)
