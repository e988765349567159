"""An agent of a fake machine, and the host at the other end of its port."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from fakes.fake_system import FakeSystem
from fakes.waiting import LIMIT_S
from vmlab_guest.agent import Agent


class Gate:
    """A delivery of courses that takes as long as a test wants."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def follow(self, env: dict[str, str]) -> None:
        self.entered.set()
        assert self.open.wait(LIMIT_S)


class Desk:
    def __init__(self, root: Path) -> None:
        self.system = FakeSystem(root)
        self.system.add_card("eth0", 2)
        self.system.add_disk("vdb", "home")
        self.system.start_zygote()
        self.gate = Gate()
        near, self.host = socket.socketpair()
        self.host.settimeout(LIMIT_S)
        self.stream = self.host.makefile("rb")
        self.agent = Agent(self.system, self.gate, near.detach())
        self.thread = threading.Thread(target=self.agent.serve, daemon=True)
        self.thread.start()

    def ask(self, line: bytes) -> None:
        self.host.sendall(line)

    def hear(self) -> dict:
        return json.loads(self.stream.readline())

    def hear_until(self, *kinds: str) -> list[dict]:
        heard = [self.hear()]
        while heard[-1]["type"] not in kinds:
            heard.append(self.hear())
        return heard

    def close(self) -> None:
        self.agent.close()
        self.thread.join(LIMIT_S)
        self.stream.close()
        self.host.close()
