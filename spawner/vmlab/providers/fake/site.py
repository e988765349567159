"""The one small HTTP server that answers for all machines of a process that do not exist."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from urllib.parse import unquote

from aiohttp import web

_HUB_VERSION_HEADER = "X-JupyterHub-Version"


class Site:
    """Answers on loopback, below the prefixes of running machines; echoes what a WebSocket says.

    Args:
        served: the prefixes; whoever runs machines changes them.
    """

    def __init__(self, served: AbstractSet[str]) -> None:
        self._served = served
        self._lock = asyncio.Lock()
        self._opened: tuple[asyncio.AbstractEventLoop, web.AppRunner] | None = None

    async def open(self) -> str:
        """Return its URL; it is opened once for each event loop."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._opened is None or self._opened[0] is not loop:
                self._opened = loop, await self._open_runner()
            return f"http://127.0.0.1:{self._opened[1].addresses[0][1]}"

    async def close(self) -> None:
        """End it; no-op unless it was opened."""
        if self._opened is not None:
            await self._opened[1].cleanup()
            self._opened = None

    async def _open_runner(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.path)
        # Prefixes have two or three parts: /user/NAME/ or /user/NAME/SERVER/, below a base.
        ends = [end for end, char in enumerate(path, 1) if char == "/"]
        if not any(path[:end] in self._served for end in ends):
            return web.Response(status=503, text="no machine serves this\n")
        socket = web.WebSocketResponse()
        if not socket.can_prepare(request):
            return web.json_response({"fake": True}, headers={_HUB_VERSION_HEADER: "6.0"})
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(str(message.data))
        return socket
