"""A kernel's first output, as the bench waits for it, from a real server of Jupyter's."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web

from fakes.processes import stop_server
from vmlab.bench.kernel import KernelError, execute, open_kernel, start_kernel
from vmlab.bench.rounds import EXPECTED, reason
from vmlab.errors import HostError
from vmlab.hub.access import HubAccess
from vmlab.hub.answers import HubAbsentError, HubRefusedError
from vmlab.hub.sessions import ask_status, open_session, pauses
from vmlab.system.host import find_free_port

LIMIT_S = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return the address of a server without a hub, and its token."""
    folder, port, token = tmp_path_factory.mktemp("server"), find_free_port(), secrets.token_hex(8)
    words = ["--no-browser", "--allow-root", f"--port={port}", "--port-retries=0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *words],
            cwd=folder,
            env={**os.environ, "JUPYTER_TOKEN": token, "HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}", token
    finally:
        stop_server(process)


async def wait_until_up(url: str) -> None:
    async with open_session() as session:
        for pause_s in pauses(LIMIT_S, 0.5):
            if await ask_status(session, f"{url}/api") == 200:
                return
            await asyncio.sleep(pause_s)
    raise AssertionError(f"no server at {url}")


async def test_code_runs_and_its_failure_is_told(server: tuple[str, str]) -> None:
    url, token = server
    await wait_until_up(url)
    headers = {"Authorization": f"token {token}"}
    async with (
        asyncio.timeout(LIMIT_S),
        open_session(headers=headers) as session,
        open_kernel(session, url) as channels,
    ):
        assert [text async for text in execute(channels, "print(6*7)")] == ["42\n"]
        with pytest.raises(KernelError, match="the kernel answered"):
            assert [text async for text in execute(channels, "1/0")]


async def test_a_server_that_refuses_is_told(server: tuple[str, str]) -> None:
    url, _ = server
    await wait_until_up(url)
    async with open_session() as session:
        with pytest.raises(KernelError, match=r"^POST /api/kernels: 403"):
            async with start_kernel(session, url):
                pass
        with pytest.raises(KernelError, match="starts no kernel"):
            async with start_kernel(session, f"http://127.0.0.1:{find_free_port()}"):
                pass


@pytest.fixture
async def broken() -> AsyncIterator[str]:
    """A server that says of every kernel what `text` is, and breaks off when one is to end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            assert request.transport
            request.transport.close()
        return web.Response(text=texts[request.path.split("/")[1]], content_type="application/json")

    texts = {"good": '{"id": "k"}', "html": "<html>", "other": '{"kernel": "k"}', "list": "[]"}
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    await runner.cleanup()


async def test_an_answer_without_a_kernel_is_told(broken: str) -> None:
    async with open_session() as session:
        for kind in ("html", "other", "list"):
            with pytest.raises(KernelError, match="starts no kernel"):
                async with start_kernel(session, f"{broken}/{kind}"):
                    pass


async def test_a_kernel_that_cannot_be_ended_hides_no_failure(broken: str) -> None:
    async with open_session() as session:
        with pytest.raises(KernelError, match="what went wrong"):
            async with start_kernel(session, f"{broken}/good"):
                raise KernelError("what went wrong")


@pytest.mark.parametrize(
    "error", [aiohttp.ServerDisconnectedError(), aiohttp.ClientPayloadError(), OSError()]
)
def test_a_connection_that_breaks_fails_one_start(error: Exception) -> None:
    assert isinstance(error, EXPECTED)


def test_what_a_hub_of_the_benchs_did_is_told_without_what_is_of_the_labs() -> None:
    access = HubAccess("http://127.0.0.1:1/", "t")
    told = reason(HubAbsentError(access, "refused"))
    assert told == "the hub at http://127.0.0.1:1/ does not answer: refused"
    assert "vmlab up" not in reason(HubRefusedError(access, "GET x", 401, "who?"))
    assert reason(HostError("it ended", hint="the log:\nthe last line")) == (
        "it ended: the last line"
    )
