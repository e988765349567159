"""A machine that opens all connections it gets, and what that costs hub, proxy and shim."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.hub.descriptors import descriptors_for, read_limit
from vmlab.hub.proxy import find_proxy
from vmlab.names import machine_name
from vmlab.network.relay import MAX_OUTWARD
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.launch import HUB_PORT, PROXY_PORT
from vmlab.providers.qemu.process.shim import MAX_INWARD

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="going where QEMU's connections begin needs root"),
]

_TRIED = 300
"""Connections to each port."""

_OF_THE_START = 8
"""Descriptors that come and go meanwhile: the hub asks whether the machine's server answers."""

# Where QEMU's user network opens the guest's connections. Each asks for something and reads no
# answer, so that nobody closes it: proxy and hub open their next connections for it.
_FLOOD = """
import socket, sys, time
request = b"GET /hub/api/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
held = []
for port in sys.argv[2:]:
    for _ in range(int(sys.argv[1])):
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.settimeout(0)
        try:
            connection.sendall(request)
        except OSError:
            pass
        held.append(connection)
print("open", flush=True)
sys.stdin.read()
"""


def processes(hub: RunningHub) -> dict[str, psutil.Process]:
    folder = Machine.below(hub.folder / "machines", machine_name("ada"))
    found = {
        "qemu" if "qemu-system-x86_64" in process.cmdline() else "shim": process
        for process in find_processes(folder)
    }
    proxy = find_proxy(hub.folder / "proxy.pid")
    assert proxy is not None
    return {**found, "hub": psutil.Process(hub.pid), "proxy": psutil.Process(proxy)}


def count(found: dict[str, psutil.Process]) -> dict[str, int]:
    return {name: process.num_fds() for name, process in found.items()}


@contextmanager
def flood(found: dict[str, psutil.Process]):
    """All connections that a machine can open, held."""
    words = ["nsenter", f"--net=/proc/{found['qemu'].pid}/ns/net", sys.executable, "-c", _FLOOD]
    attacker = subprocess.Popen(
        [*words, str(_TRIED), str(HUB_PORT), str(PROXY_PORT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert attacker.stdin is not None
    assert attacker.stdout is not None
    try:
        assert attacker.stdout.readline() == "open\n"
        yield
    finally:
        attacker.stdin.close()
        attacker.wait()
        attacker.stdout.close()


@pytest.mark.attack("shares.descriptors", "opens every connection that its shim lets through")
def test_a_machine_costs_hub_and_proxy_so_many_descriptors_and_no_more(hub, tried):
    found = processes(hub)
    before = count(found)
    assert before["hub"] < descriptors_for(0)
    with flood(found):
        # Each door takes as many as it may, and the hub as many as came through.
        full = before["shim"] + 2 * 2 * MAX_OUTWARD
        wait_until(lambda: abs(count(found)["shim"] - full) <= _OF_THE_START)
        wait_until(lambda: count(found)["hub"] - before["hub"] >= 2 * MAX_OUTWARD)
        assert hub.api("GET", "").ok, "the hub answers meanwhile"
        taken = {name: now - before[name] for name, now in count(found).items()}
    one = descriptors_for(1) - descriptors_for(0)
    assert taken["hub"] <= one
    assert taken["proxy"] <= one
    assert taken["qemu"] <= _OF_THE_START, "these are the guest's, not QEMU's own sockets"
    wait_until(lambda: count(found)["hub"] - before["hub"] < MAX_OUTWARD)
    tried(2 * _TRIED)


def test_a_shim_has_descriptors_for_all_connections_of_its_doors(hub):
    shim = processes(hub)["shim"]
    all_doors = 2 * (2 * MAX_INWARD + 2 * MAX_OUTWARD)
    assert shim.num_fds() + all_doors < read_limit(shim.pid)
