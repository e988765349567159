"""Waiting until a machine's server answers.

The hub's own wait backs off with random pauses of up to 5 seconds; `Spawner.start` therefore waits
itself, closely, and returns when the server answers (JupyterHub: utils.exponential_backoff).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlparse

import aiohttp

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
    parts = urlparse(url)
    if parts.scheme == "http+unix":
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(unquote(parts.netloc))
        url = "http://machine"
    else:
        # Addresses are numbers; the stock resolver of names is a thread more for each start.
        connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
    timeout = aiohttp.ClientTimeout(total=_REQUEST_LIMIT_S)
    loop = asyncio.get_running_loop()
    next_check = loop.time() + _CHECK_PERIOD_S
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        while not await _answers(session, f"{url}{prefix}api"):
            if loop.time() >= next_check:
                await check()
                next_check = loop.time() + _CHECK_PERIOD_S
            await asyncio.sleep(_POLL_S)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, allow_redirects=False) as response:
            return response.status < _SERVER_ERROR
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
