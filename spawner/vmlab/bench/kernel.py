"""One trainee's server and its kernels, seen from outside through the proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from vmlab.errors import LabError
from vmlab.hub.client import HubClient
from vmlab.hub.sessions import FAILURES, ask_status, reason

Channels = aiohttp.ClientWebSocketResponse

_ASK_AGAIN_S = 0.02
_SHOWN = 300
_OK = 200


class KernelError(LabError):
    """A kernel does not start, or what it ran went wrong; the message is the reason."""


class ChannelsClosedError(KernelError):
    """A kernel's websocket ended; the kernel may well live."""


async def first_answer(client: HubClient, user: str) -> None:
    """Return when the user's own server answers with status 200; the caller sets the limit."""
    # At short intervals that stay the same: this is measured.
    url = f"{client.server_url(user)}/api"
    while True:
        if await ask_status(client.session, url, follow=True) == _OK:
            return
        await asyncio.sleep(_ASK_AGAIN_S)


@asynccontextmanager
async def start_kernel(
    session: aiohttp.ClientSession, server_url: str, *, keep: bool = False
) -> AsyncIterator[str]:
    """Start a kernel at a server and give its URL; shut it down afterwards unless `keep`.

    Raises:
        KernelError: the server starts no kernel.
    """
    kernels = f"{server_url}/api/kernels"
    try:
        async with session.post(kernels) as response:
            if not response.ok:
                text = (await response.text())[:_SHOWN]
                raise KernelError(f"POST {response.url.path}: {response.status} {text}")
            kernel = (await response.json())["id"]
    except (*FAILURES, ValueError, KeyError, TypeError) as error:
        raise KernelError(f"the server starts no kernel: {reason(error)}") from error
    try:
        yield f"{kernels}/{kernel}"
    finally:
        if not keep:
            with suppress(*FAILURES):  # whatever failed before is what to tell
                await session.delete(f"{kernels}/{kernel}")


@asynccontextmanager
async def open_channels(session: aiohttp.ClientSession, kernel: str) -> AsyncIterator[Channels]:
    """Open a kernel's channels at its URL.

    Raises:
        KernelError: they do not open.
    """
    try:
        socket = await session.ws_connect(f"{kernel}/channels")
    except FAILURES as error:
        raise KernelError(f"the kernel's channels do not open: {reason(error)}") from error
    async with socket:
        yield socket


@asynccontextmanager
async def open_kernel(session: aiohttp.ClientSession, server_url: str) -> AsyncIterator[Channels]:
    """Start a kernel, give its channels, and shut it down; raises as `start_kernel`."""
    async with (
        start_kernel(session, server_url) as kernel,
        open_channels(session, kernel) as socket,
    ):
        yield socket


async def execute(socket: Channels, code: str) -> AsyncGenerator[str]:
    """Run code in a kernel; yield what it prints, as it comes, until it is done.

    The reply comes on another channel and may overtake the output: "idle" is the last word.

    Raises:
        KernelError: the code raised something.
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
            raise KernelError(f"the kernel answered {content.get('evalue', content)}")
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return
    raise ChannelsClosedError("the kernel's channels were closed")
