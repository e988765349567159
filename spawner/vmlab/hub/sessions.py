"""How VMLab speaks HTTP: every question has a deadline, and nothing of the environment leads it.

Where to: the hub (`vmlab.hub.client`), its health and that of machines' servers (`ask_status`), and
the lab from outside (`vmlab.cli.outside`).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping

import aiohttp

FAILURES = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)
"""What a question raises to which no answer came, or one with too long a line."""

CALL_LIMIT_S = 60.0
_CONNECT_LIMIT_S = 30.0
_FIRST_PAUSE_S = 0.02
_GROWTH = 1.5


def open_session(
    *,
    limit_s: float = CALL_LIMIT_S,
    headers: Mapping[str, str] | None = None,
    socket: str = "",
    tls: ssl.SSLContext | None = None,
    longest_line: int = 2**16,
) -> aiohttp.ClientSession:
    """Return a session, to be used with `async with`; proxies of the environment are not asked.

    Args:
        limit_s: longest time for each question and its answer.
        headers: sent with every question.
        socket: path of a unix socket to which all go, whatever the URL's host is.
        tls: what certificates are checked by; when left out, the authorities that this host knew
            when the program began.
        longest_line: bytes that a line of a streamed answer may have; about as many are held of
            any answer before it is read.
    """
    if socket:
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(socket, limit=0)
    else:
        connector = aiohttp.TCPConnector(
            # The host's own way from names to addresses, as browsers here go.
            resolver=aiohttp.ThreadedResolver(),
            ssl=True if tls is None else tls,
            limit=0,  # a class comes at once
        )
    return aiohttp.ClientSession(
        headers=headers,
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=min(limit_s, _CONNECT_LIMIT_S)),
        read_bufsize=longest_line,
    )


async def ask_status(session: aiohttp.ClientSession, url: str, *, follow: bool = False) -> int:
    """Return the status with which a server answers a GET; 0 when it does not answer.

    Args:
        follow: go where redirects lead.
    """
    try:
        async with session.get(url, allow_redirects=follow) as response:
            return response.status
    except FAILURES:
        return 0


def pauses(limit_s: float, longest_s: float) -> Iterator[float]:
    """Yield how long to wait before each further attempt, ever longer, until the time is over."""
    deadline = time.monotonic() + limit_s
    pause_s = _FIRST_PAUSE_S
    while time.monotonic() < deadline:
        yield min(pause_s, longest_s)
        pause_s = min(pause_s * _GROWTH, longest_s)


def reason(error: Exception) -> str:
    """Return why no answer came, in one line; never what was asked: that carries a token."""
    return " ".join(str(error).split()) or type(error).__name__
