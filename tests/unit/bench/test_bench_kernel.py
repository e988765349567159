"""A kernel's first output, as the bench waits for it, from a real server of Jupyter's."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vmlab.bench.kernel import KernelError, execute, open_kernel, start_kernel
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
        process.terminate()
        process.wait(LIMIT_S)


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
