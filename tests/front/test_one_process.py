"""One process that takes all of a listener: who broke out of a machine comes without its shim."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.network.limits import MAX_OF_ONE

_TRIED = 400

# Opens connections, waits until no more of them are ended from the other side, and holds the rest.
_HOG = """
import select, socket, sys
poll, left = select.poll(), {}
for _ in range(int(sys.argv[2])):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    poll.register(connection, select.POLLIN)
    left[connection.fileno()] = connection
while ended := poll.poll(2000):
    for number, _ in ended:
        poll.unregister(number)
        left.pop(number).close()
print(len(left), flush=True)
sys.stdin.read()
"""


@pytest.mark.attack("shares.descriptors", "one process opens every connection of a listener")
@pytest.mark.parametrize("listener", ["hub.sock", "proxy.sock"])
@pytest.mark.parametrize("uid", [os.geteuid(), 61_234], ids=["our user", "a machine's user"])
def test_one_process_does_not_take_a_listener_from_others(
    hub: RunningHub, listener: str, uid: int, tried: Callable[[int], None]
) -> None:
    path = hub.folder / "doors" / listener
    wait_until(path.exists)
    words = ["/usr/bin/python3", "-c", _HOG, str(path), str(_TRIED)]
    if uid != os.geteuid():
        if os.geteuid() != 0:
            pytest.skip("only root can be a machine's user")
        # A listener admits the users of machines by their group.
        gid = path.stat().st_gid
        words = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *words]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hog:
        assert hog.stdin is not None
        assert hog.stdout is not None
        assert int(hog.stdout.readline()) <= MAX_OF_ONE
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(60)
            other.connect(str(path))
            other.sendall(b"GET /hub/api/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200 ")
        hog.stdin.close()
    tried(_TRIED)
