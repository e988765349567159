"""A file for somebody who does not read it: a real server, a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.testing import bind_unused_port

from vmlab.web.api.sending import Pace, TakenTooSlowlyError, send_file

SIZE = 64 * 2**20


class Sending(web.RequestHandler):
    """Sends a file, and notes how that ended."""

    def initialize(self, path: Path, ends: asyncio.Queue[object]) -> None:
        self.path, self.ends = path, ends

    async def get(self) -> None:
        try:
            await send_file(self, self.path, Pace(stall_s=0.3))
        except (StreamClosedError, OSError) as error:
            self.ends.put_nowait(error)
        else:
            self.ends.put_nowait(None)


@pytest.fixture
def ends() -> asyncio.Queue[object]:
    return asyncio.Queue()


@pytest.fixture
async def port(tmp_path: Path, ends: asyncio.Queue[object]) -> AsyncIterator[int]:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(SIZE)
    settings = {"path": tmp_path / "file", "ends": ends}
    server = HTTPServer(web.Application([("/", Sending, settings)]))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    yield port
    server.stop()
    await server.close_all_connections()


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    return reader, writer


async def test_all_of_it_comes(port: int, ends: asyncio.Queue[object]) -> None:
    reader, writer = await ask(port)
    answer = await reader.read()
    writer.close()
    assert len(answer.partition(b"\r\n\r\n")[2]) == SIZE
    assert await ends.get() is None


@pytest.mark.attack("bodies.time", "asks for a large file and stops reading")
async def test_whoever_stops_reading_is_cut_off(port: int, ends: asyncio.Queue[object]) -> None:
    _, writer = await ask(port)
    assert isinstance(await asyncio.wait_for(ends.get(), 30), TakenTooSlowlyError)
    writer.close()


async def test_whoever_leaves_ends_it(port: int, ends: asyncio.Queue[object]) -> None:
    reader, writer = await ask(port)
    await reader.readexactly(100)
    writer.transport.abort()
    end = await asyncio.wait_for(ends.get(), 30)
    assert isinstance(end, StreamClosedError)
