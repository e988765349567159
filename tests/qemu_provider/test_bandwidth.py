"""Limits of disk and network on a real machine's process; the tiny guest."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys

import pytest

from fakes.benches import start
from fakes.waiting import LIMIT_S
from vmlab.model import Bandwidth
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process import launch
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.launch import make_shim_config

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("bandwidth", [Bandwidth(), Bandwidth(7, 300, 80), Bandwidth(0, 0, 0)])
async def test_all_disks_share_one_limit_and_the_shim_knows_the_networks(
    bench, bandwidth, monkeypatch
):
    told = []

    def remember(*args, **words):
        told.append(make_shim_config(*args, **words))
        return told[-1]

    monkeypatch.setattr(launch, "make_shim_config", remember)
    spec = bench.spec(bandwidth=bandwidth)
    await start(bench.provider, spec, bench.seed())
    folder = Machine.below(bench.settings.state / "machines", spec.name)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        limits = await monitor.disk_limits()
    assert len(limits) == 2, "root disk and volume"
    expected = (bandwidth.disk_mib_s * 2**20, bandwidth.disk_iops)
    assert {(bps, iops) for bps, iops, _ in limits.values()} == {expected}
    if any(expected):
        assert {group for _, _, group in limits.values()} == {"machine"}
    assert told[-1].bytes_per_s == bandwidth.network_mbit_s * 125_000


async def test_new_limits_hold_from_the_next_seed_on(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    spec = bench.spec(bandwidth=Bandwidth(1, 100, 0))
    await start(bench.provider, spec, bench.seed())
    folder = Machine.below(bench.settings.state / "machines", spec.name)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        limits = await monitor.disk_limits()
    assert {(bps, iops) for bps, iops, _ in limits.values()} == {(2**20, 100)}


@pytest.mark.skipif(os.geteuid() != 0, reason="looking into another namespace needs root")
async def test_a_machine_with_internet_sits_behind_a_shaped_cable(bench):
    spec = bench.spec(bandwidth=Bandwidth(network_mbit_s=80), internet=True)
    await start(bench.provider, spec, bench.seed())
    folder = Machine.below(bench.settings.state / "machines", spec.name)
    inside = next(p for p in find_processes(folder) if "qemu-system-x86_64" in p.cmdline())
    words = ["nsenter", f"--net=/proc/{inside.pid}/ns/net", "tc", "qdisc", "show", "dev", "uplink0"]
    told = await asyncio.to_thread(subprocess.check_output, words, text=True)
    assert "tbf" in told
    assert "rate 80Mbit" in told


# An internet of our own: a namespace with one public address (RFC 5737) on its loopback, a server
# there, and from it the way into a machine's namespace, through slirp4netns as on any host.
_DOWNLOAD = """
import json, os, socket, subprocess, sys, time
from vmlab.network.uplink import enter_namespace_with_internet

HOST, SIZE, LIMIT = "198.51.100.7", 4 * 2**20, int(sys.argv[1])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "addr", "add", f"{HOST}/32", "dev", "lo"], check=True)
server = socket.create_server((HOST, 0))

def serve():
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(1) == b"d":
                connection.sendall(bytes(SIZE))
            else:
                got = 0
                while got < SIZE:
                    got += len(connection.recv(65536))
                connection.sendall(b"!")

if os.fork() == 0:
    serve()
enter_namespace_with_internet(LIMIT, ["203.0.113.0/24"])
rates = []
for way in b"d", b"u":
    begin = time.monotonic()
    with socket.create_connection((HOST, server.getsockname()[1]), timeout=120) as connection:
        connection.settimeout(120)
        connection.sendall(way)
        if way == b"u":
            connection.sendall(bytes(SIZE))
        left = SIZE if way == b"d" else 1
        while left:
            left -= len(connection.recv(min(left, 65536)))
    rates.append(SIZE / (time.monotonic() - begin))
try:
    socket.create_connection(("203.0.113.1", 1), timeout=60)
except OSError as error:
    print(json.dumps({"down": rates[0], "up": rates[1], "unreachable": error.errno}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an internet of our own needs root")
@pytest.mark.parametrize("limit", [2_000_000, 0])
async def test_the_internet_comes_and_goes_no_faster_than_the_limit(limit):
    words = ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"]
    words += [sys.executable, "-c", _DOWNLOAD, str(limit)]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["unreachable"] == errno.EHOSTUNREACH
    if limit:  # a burst of 256 KiB passes at once, and 4 MiB take at least what is left of them
        assert max(told["down"], told["up"]) < limit * 4 / 3.5
