"""Waiting for a machine's server, at a socket and at a port."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from vmlab.spawning.waiting import wait_for_server

LIMIT_S = 60.0


@pytest.mark.parametrize("at_socket", [True, False])
async def test_a_server_is_there_once_it_answers_anything_but_a_server_error(
    tmp_path: Path, at_socket: bool
) -> None:
    answers, asked = [503, 502, 403], []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=answers[len(asked) - 1])

    async def check() -> None:
        """Nothing is wrong."""

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    path = str(tmp_path / "a socket")
    site = web.UnixSite(runner, path) if at_socket else web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = 0 if at_socket else runner.addresses[0][1]
    url = f"http+unix://{quote(path, safe='')}" if at_socket else f"http://127.0.0.1:{port}"
    async with asyncio.timeout(LIMIT_S):
        await wait_for_server(url, "/user/ada/", check)
    assert asked == ["/user/ada/api"] * 3
    await runner.cleanup()


async def test_nobody_waits_for_what_cannot_come(tmp_path: Path) -> None:
    async def check() -> None:
        raise RuntimeError("the machine is off")

    url = f"http+unix://{quote(str(tmp_path / 'nothing'), safe='')}"
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(RuntimeError, match="is off"):
            await wait_for_server(url, "/user/ada/", check)
