"""A cell runs while the hub is killed and comes back: its output goes on, in old and new tabs."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from fakes.real_server import REAL_SERVER, stop_server
from hub.running_hub import RunningHub
from vmlab.system.host import find_free_port

LIMIT_S = 120
SOME = 10
COUNTS = """
import pathlib, time
number = 0
while not pathlib.Path("enough").exists():
    print(number, flush=True)
    number += 1
    time.sleep(0.05)
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path, extra_config=REAL_SERVER.format(port=find_free_port())) as running:
        running.start_server("ada")
        yield running
        stop_server(tmp_path)


def start_kernel(hub: RunningHub, token: str) -> str:
    """Return the address of its WebSocket."""
    api = f"{hub.machine_url('ada')}/api/kernels"
    answer = requests.post(api, headers={"Authorization": f"token {token}"}, timeout=LIMIT_S)
    answer.raise_for_status()
    return f"{api}/{answer.json()['id']}/channels".replace("http:", "ws:")


class Tab:
    """A notebook's connection to a kernel; what its cell has printed, as numbers."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self.seen: list[int] = []

    @classmethod
    async def open(cls, url: str, token: str) -> Tab:
        request = HTTPRequest(url, headers={"Authorization": f"token {token}"})
        return cls(await websocket_connect(request))

    async def run(self, code: str) -> None:
        header = {"msg_id": uuid.uuid4().hex, "session": "s", "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message: dict[str, Any] = {"channel": "shell", "parent_header": {}, "metadata": {}}
        header["msg_type"] = "execute_request"
        await self._socket.write_message(
            json.dumps(message | {"header": header, "content": content})
        )

    async def read(self) -> str:
        """Take the next message; return its kind."""
        text = await asyncio.wait_for(self._socket.read_message(), LIMIT_S)
        if text is None:
            raise ConnectionError
        message = json.loads(text)
        if message["msg_type"] == "stream":
            self.seen += map(int, message["content"]["text"].split())
        return str(message["msg_type"])

    async def read_more(self) -> None:
        most = (self.seen or [0])[-1] + SOME
        while not self.seen or self.seen[-1] < most:
            await self.read()

    async def read_to_the_end(self) -> None:
        while await self.read() != "execute_reply":
            pass

    def close(self) -> None:
        self._socket.close()


async def test_output_goes_on_while_the_hub_is_killed_and_comes_back(
    hub: RunningHub, tmp_path: Path
) -> None:
    token = hub.user_token("ada")
    url = await asyncio.to_thread(start_kernel, hub, token)
    tab = await Tab.open(f"{url}?session_id=old", token)
    await tab.run(COUNTS)
    await tab.read_more()

    await asyncio.to_thread(hub.stop, signal.SIGKILL)
    await tab.read_more()
    newer = await Tab.open(f"{url}?session_id=new", token)  # the server asks nobody: it knows them
    await newer.read_more()
    newer.close()

    await asyncio.to_thread(
        hub.start
    )  # with a new proxy: connections end, and JupyterLab reopens them
    with pytest.raises(ConnectionError):
        await tab.read_to_the_end()
    tab.close()
    assert hub.server("ada")["ready"], "a new hub takes the server as it is"
    again = await Tab.open(f"{url}?session_id=old", token)
    await again.read_more()
    (tmp_path / "home" / "enough").touch()
    await again.read_to_the_end()
    again.close()
    seen = tab.seen + again.seen
    assert seen == sorted(set(seen)), "nothing comes twice"
    # What was on its way through the proxy that ended is lost; what was printed until the new one
    # was there, several times as much, the server has kept.
    assert seen[0] == 0
    assert seen[-1] + 1 - len(seen) < SOME
