"""A machine with internet reaches the internet, not what is near the host. Real packets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fakes.benches import start
from fakes.waiting import LIMIT_S
from vmlab.errors import HostError
from vmlab.providers.qemu.process.launch import SHIM_PYTHONPATH
from vmlab.providers.qemu.process.neighbour_watch import NeighbourWatch, find_connected, tell

from . import public_network
from .public_network import IPV6, NEIGHBOURS, OWN


@pytest.mark.skipif(os.geteuid() != 0, reason="a public network of our own needs root")
@pytest.mark.attack("shares.neighbours", "looks for everybody on the wire of a public host")
@pytest.mark.parametrize("rate", [0, 2_000_000], ids=["free", "shaped"])
async def test_a_machine_reaches_the_internet_and_nobody_near_the_host(rate, tried):
    words = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    words += [sys.executable, public_network.__file__, str(rate)]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(told["host"].values()), told["host"]
    # The network lets them through, so it is our care that keeps them out.
    near = {name: reached for name, reached in told["careless"].items() if name not in IPV6}
    assert all(near.values()), near
    reached = {name for name, is_reached in told["machine"].items() if is_reached}
    assert reached == {"somewhere", "the resolver"}
    assert set(NEIGHBOURS) | set(OWN) | set(IPV6) < set(told["machine"])
    # A network that comes near while the machine runs: reached until the machine is told.
    assert told["again"] == {"far": True, "near": True, "told": False}
    tried(len(told["machine"]) + 1)


@pytest.mark.vm
@pytest.mark.skipif(os.geteuid() != 0, reason="looking into another namespace needs root")
async def test_machines_at_work_are_told_and_the_host_is_not(bench):
    def run(*words: str) -> str:
        return subprocess.check_output(words, text=True)

    spec = bench.spec(internet=True)
    await start(bench.provider, spec, bench.seed())
    machines = bench.settings.state / "machines"
    (qemu,) = find_connected([machines])
    inside = ["nsenter", f"--net=/proc/{qemu}/ns/net"]
    show = ["ip", "route", "show"]
    before, ours = await asyncio.to_thread(run, *inside, *show), await asyncio.to_thread(run, *show)
    await asyncio.to_thread(run, *inside, "ip", "route", "del", "unreachable", "10.0.0.0/8")
    watch = NeighbourWatch(machines)
    assert await watch.look() == [qemu]
    assert await asyncio.to_thread(run, *inside, *show) == before
    assert await watch.look() == [qemu], "one that was being powered on the first time"
    assert await watch.look() == [], "nothing has changed"
    await tell(os.getpid(), ["203.0.113.0/24"])
    assert await asyncio.to_thread(run, *show) == ours


# Says that it is QEMU, in a network with the machine's cable; holds the machine's lock if it may.
_PRETENDER = """
import os, subprocess, sys
from vmlab.system.locks import take_lock

subprocess.run(["ip", "link", "add", "uplink0", "type", "bridge"], check=True)
if sys.argv[1] == "locked":
    take_lock("shim.lock")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
@pytest.mark.attack("worker.processes", "calls itself QEMU, and works in a machine's folder")
@pytest.mark.parametrize("lock", ["locked", "free"])
def test_a_machine_at_work_is_known_by_its_lock(tmp_path, lock, tried):
    folder = tmp_path / "desk-ada"
    folder.mkdir()
    (tmp_path / "no-folder").touch()
    words = ["unshare", "--net", sys.executable, "-c", _PRETENDER, lock, "qemu-system-x86_64"]
    pretender = subprocess.Popen(
        words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert pretender.stdout.readline() == "ready\n"
        is_known = lock == "locked"
        assert find_connected([tmp_path, tmp_path / "none"]) == [pretender.pid] * is_known
    finally:
        pretender.communicate()
    tried(1)


@pytest.mark.attack("jobs.apart", "a machine that cannot be told what is near")
async def test_the_others_are_told_all_the_same(monkeypatch, tmp_path, tried):
    told = []

    async def tell_but_the_first(pid, _networks):
        if pid == 1 and len(told) < 4:
            raise HostError("process 1 was not told")
        told.append(pid)

    async def find_nothing():
        return []

    watch_module = "vmlab.providers.qemu.process.neighbour_watch"
    monkeypatch.setattr(f"{watch_module}.find_connected", lambda _homes: [1, 2, 3])
    monkeypatch.setattr(f"{watch_module}.find_unreachable", find_nothing)
    monkeypatch.setattr(f"{watch_module}.tell", tell_but_the_first)
    watch = NeighbourWatch(tmp_path)
    looks = [await watch.look() for _ in range(5)]
    assert looks == [[2, 3], [2, 3], [1, 2, 3], [1, 2, 3], []]
    tried(2)


# A machine's namespace without root, and somebody with the same user outside.
_WITHOUT_ROOT = """
import asyncio, os, subprocess
from vmlab.providers.qemu.process.neighbour_watch import tell
from vmlab.network.uplink import enter_namespace

ready, told = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(told[1])
    enter_namespace()
    os.write(ready[1], b"1")
    os.read(told[0], 1)
    print(subprocess.check_output(["ip", "route", "show"], text=True), flush=True)
    os._exit(0)
os.close(ready[1])
assert os.read(ready[0], 1) == b"1"
asyncio.run(tell(child, ["10.0.0.0/8", "203.0.113.0/24"]))
os.close(told[1])
os.waitpid(child, 0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_machines_of_an_ordinary_user_are_told_too():
    packages = Path(psutil.__file__).parents[1]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{SHIM_PYTHONPATH}:{packages}",
    }
    words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    words += ["/usr/bin/python3", "-c"]
    find = [*words, "import vmlab.providers.qemu.process.neighbour_watch"]
    done = await asyncio.to_thread(
        subprocess.run, find, cwd="/", env=environment, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("nobody may not read this project, or has another Python than the venv's")
    done = await asyncio.to_thread(
        subprocess.run, [*words, _WITHOUT_ROOT],
        cwd="/", env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unreachable 203.0.113.0/24" in done.stdout
