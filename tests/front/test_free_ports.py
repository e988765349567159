"""Free ports, each given to one listener of this process only."""

from __future__ import annotations

import socket

import pytest

from vmlab.errors import HostError
from vmlab.system import host
from vmlab.system.host import find_free_port


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three ports to choose from."""
    first = find_free_port()
    monkeypatch.setattr(host, "_OWN_PORTS", range(first, first + 3))
    monkeypatch.setattr(host, "_given_ports", set())


@pytest.mark.usefixtures("few_ports")
def test_nobody_gets_the_port_of_another_who_does_not_listen_yet() -> None:
    taken = host._OWN_PORTS[1]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", host._OWN_PORTS[2]))
        assert find_free_port(taken) == host._OWN_PORTS[0]
        with pytest.raises(HostError, match="no free port"):
            find_free_port(taken)
