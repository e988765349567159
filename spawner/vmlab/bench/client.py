"""One trainee seen from outside, through the proxy: start, first answer, first output of a kernel.

The hub's progress stream tells when a start is over, as it tells a browser: asking again and again
would cost the hub, whose processors the machines need. Only then the user's own server is asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from vmlab.errors import LabError

_ASK_AGAIN_S = 0.02
_REQUEST_LIMIT_S = 60.0
_STOP_AGAIN_S = 0.2
_EVENT = b"data:"
_MAX_EVENT_BYTES = 2**20
_CODE_OK = 200


class StartFailedError(LabError):
    """A start, or what follows it, went wrong; the message is the reason."""


class ChannelsClosedError(StartFailedError):
    """A kernel's websocket ended; the kernel may well live."""


class HubClient:
    """A service of the hub that may do everything with users and their servers."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"token {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=0),  # a class comes at once
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_LIMIT_S),
            read_bufsize=_MAX_EVENT_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to the proxy."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session

    def server_url(self, user: str) -> str:
        """Return the address of a user's own server, without a slash at its end."""
        return f"{self.base_url}/user/{user}"

    async def add_users(self, users: Sequence[str]) -> None:
        """Make accounts."""
        await self._call("POST", "users", json={"usernames": list(users)})

    async def start(self, user: str) -> None:
        """Ask for a user's server."""
        await self._call("POST", f"users/{user}/server")

    async def progress(self, user: str) -> AsyncGenerator[dict[str, Any]]:
        """Yield the events of a start until the server is ready.

        Raises:
            StartFailedError: the start failed, or the hub stopped telling.
        """
        url = f"{self.base_url}/hub/api/users/{user}/server/progress"
        async with self.session.get(url) as response:
            await _check(response)
            async for line in response.content:
                if not line.startswith(_EVENT):
                    continue
                event = json.loads(line[len(_EVENT) :])
                yield event
                if event.get("failed"):
                    raise StartFailedError(str(event.get("message", "the start failed")))
                if event.get("ready"):
                    return
        raise StartFailedError("the hub ended the progress stream before the server was ready")

    async def first_answer(self, user: str) -> None:
        """Return when the user's own server answers through the proxy with status 200."""
        while True:
            async with self.session.get(f"{self.server_url(user)}/api") as response:
                if response.status == _CODE_OK:
                    return
            await asyncio.sleep(_ASK_AGAIN_S)

    async def find_server(self, user: str) -> dict[str, Any]:
        """Return the hub's model of a user's server; empty when there is none."""
        data = await self._call("GET", f"users/{user}")
        model: dict[str, Any] = data.get("servers", {}).get("", {})
        return model

    async def stop(self, user: str) -> None:
        """Stop the user's server and return when the hub has forgotten it."""
        if await self.find_server(user):
            await self._call("DELETE", f"users/{user}/server")
        while True:
            if not await self.find_server(user):
                return
            await asyncio.sleep(_STOP_AGAIN_S)

    async def delete_user(self, user: str) -> None:
        """Delete an account."""
        await self._call("DELETE", f"users/{user}")

    async def _call(self, method: str, path: str, *, json: Any = None) -> Any:
        url = f"{self.base_url}/hub/api/{path}"
        async with self.session.request(method, url, json=json) as response:
            await _check(response)
            if response.content_type == "application/json":
                return await response.json()
            return {}


@asynccontextmanager
async def start_kernel(
    session: aiohttp.ClientSession, server_url: str, *, keep: bool = False
) -> AsyncIterator[str]:
    """Start a kernel at a server and give its URL; shut it down afterwards unless `keep`.

    Raises:
        StartFailedError: the server starts no kernel.
    """
    kernels = f"{server_url}/api/kernels"
    async with session.post(kernels) as response:
        await _check(response)
        kernel = (await response.json())["id"]
    try:
        yield f"{kernels}/{kernel}"
    finally:
        if not keep:
            await session.delete(f"{kernels}/{kernel}")


@asynccontextmanager
async def open_kernel(
    session: aiohttp.ClientSession, server_url: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Start a kernel, give its channels, and shut it down; raises as `start_kernel`."""
    async with (
        start_kernel(session, server_url) as kernel,
        session.ws_connect(f"{kernel}/channels") as socket,
    ):
        yield socket


async def execute(socket: aiohttp.ClientWebSocketResponse, code: str) -> AsyncGenerator[str]:
    """Run code in a kernel; yield what it prints, as it comes, until it is done.

    The reply comes on another channel and may overtake the output: "idle" is the last word.

    Raises:
        StartFailedError: the code raised something.
        ChannelsClosedError: the connection ended, or is no longer usable.
    """
    header = {"msg_id": "1", "username": "", "session": "bench", "msg_type": "execute_request"}
    await socket.send_json(
        {
            "header": {**header, "version": "5.3"},
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "store_history": True},
            "channel": "shell",
        }
    )
    async for received in socket:
        if received.type is not aiohttp.WSMsgType.TEXT:
            raise ChannelsClosedError(f"the kernel's channels failed: {received.data}")
        message = json.loads(received.data)
        if message["parent_header"].get("msg_id") != "1":
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            yield str(content["text"])
        elif message["msg_type"] == "error":
            raise StartFailedError(f"the kernel answered {content.get('evalue', content)}")
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return
    raise ChannelsClosedError("the kernel's channels were closed")


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise StartFailedError with the answer's own words unless it is a good one."""
    if not response.ok:
        text = (await response.text())[:300]
        raise StartFailedError(f"{response.method} {response.url.path}: {response.status} {text}")
