"""Where the jump host cannot be, and what it says when it is full."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vmlab.errors import HostError
from vmlab.hub.access import NOWHERE
from vmlab.paths import Paths
from vmlab.ssh.control import Request, Verb
from vmlab.ssh.limits import Connections, Room
from vmlab.ssh.service import HubEnd
from vmlab.ssh.setup import set_up_ssh


class Reaching:
    """A provider that reaches its machines' sshd."""

    async def open_ssh(self, name: str) -> Any: ...

    def ssh_host_key(self, name: str) -> str:
        return ""


def lab_with(*, enabled: bool) -> Any:
    return SimpleNamespace(ssh=SimpleNamespace(enabled=enabled, port=0), file=Path("lab.toml"))


def test_a_state_folder_that_is_too_deep_is_refused_with_what_to_do(tmp_path: Path) -> None:
    paths = Paths(Path("/" + "x" * 100), tmp_path)
    provider: Any = Reaching()
    with pytest.raises(HostError, match="too long for a unix socket: 115 bytes") as refused:
        set_up_ssh(None, lab_with(enabled=True), paths, provider, NOWHERE)
    assert "VMLAB_STATE" in refused.value.hint
    assert set_up_ssh(None, lab_with(enabled=False), paths, provider, NOWHERE) is None


class Full:
    """A jump host without room."""

    def __init__(self) -> None:
        self.connections = Connections(Room(1, 1))
        self.connections.begin("192.0.2.1")
        self.carried: list[str] = []

    async def carry(self, sock: socket.socket, address: str) -> None:
        self.carried.append(address)


@pytest.mark.attack("ssh.flood", "comes by the hub's address when all connections are taken")
async def test_whoever_comes_when_all_is_full_is_told(tried: Any) -> None:
    near, far = socket.socketpair()
    for end in (near, far):
        end.setblocking(False)
    jump: Any = Full()
    loop = asyncio.get_running_loop()
    with near:
        await loop.sock_sendall(near, Request(Verb.CARRY, "192.0.2.2").line())
        await HubEnd(jump).take(far, None)
        said = await loop.sock_recv(near, 1000)
    assert json.loads(said) == {"refused": "too many connections"}
    assert jump.carried == []
    tried(1)
