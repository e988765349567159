"""Free ports, each given to one listener of this host only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vmlab.errors import HostError
from vmlab.system import host
from vmlab.system.host import find_free_port

ASK_AND_WAIT = """
from vmlab.system.host import find_free_port
print(find_free_port(), flush=True)
input()
"""


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, ...]]:
    """Three ports to choose from, none of them given to anybody."""
    with monkeypatch.context() as patch:
        patch.setattr(host, "_given_ports", {})
        ports = tuple(find_free_port() for _ in range(3))
        for holder in host._given_ports.values():
            os.close(holder)
    monkeypatch.setattr(host, "_OWN_PORTS", ports)
    with monkeypatch.context() as patch:
        patch.setattr(host, "_given_ports", {})
        yield ports
        for holder in host._given_ports.values():
            os.close(holder)


def test_nobody_gets_the_port_of_another_who_does_not_listen_yet(few_ports) -> None:
    free, taken, listened_on = few_ports
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", listened_on))
        assert find_free_port(taken) == free
        with pytest.raises(HostError, match="no free port"):
            find_free_port(taken)


def test_nobody_gets_the_port_of_another_process_that_does_not_listen_yet(monkeypatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASK_AND_WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(host, "_OWN_PORTS", (port,))
        with pytest.raises(HostError, match="no free port"):
            find_free_port()
        other.communicate("\n")
    assert find_free_port() == port, "what a process held is free when it ended"
