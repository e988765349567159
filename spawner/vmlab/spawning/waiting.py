"""Waiting until a machine's server answers.

The hub's own wait backs off with random pauses of up to 5 seconds; `Spawner.start` therefore waits
itself, closely, and returns when the server answers (JupyterHub: utils.exponential_backoff).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlparse

from vmlab.hub.sessions import ask_status, open_session

_POLL_S = 0.05
_REQUEST_LIMIT_S = 20.0
_CHECK_PERIOD_S = 2.0
_SERVER_ERROR = 500


async def wait_for_server(url: str, prefix: str, check: Callable[[], Awaitable[None]]) -> None:
    """Return when the server at `url` answers below its prefix with anything but a server error.

    Has no time limit of its own: the caller cancels it.

    Args:
        url: `http://address:port` or `http+unix://quoted-path`.
        prefix: path of the user's server, with slashes at both ends.
        check: called every few seconds; raises when waiting has become pointless.
    """
    parts, socket = urlparse(url), ""
    if parts.scheme == "http+unix":
        url, socket = "http://machine", unquote(parts.netloc)
    loop = asyncio.get_running_loop()
    next_check = loop.time() + _CHECK_PERIOD_S
    async with open_session(limit_s=_REQUEST_LIMIT_S, socket=socket) as session:
        while not 0 < await ask_status(session, f"{url}{prefix}api") < _SERVER_ERROR:
            if loop.time() >= next_check:
                await check()
                next_check = loop.time() + _CHECK_PERIOD_S
            await asyncio.sleep(_POLL_S)
