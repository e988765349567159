"""What a machine's process may do on the host. Real QEMU, tiny guest."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fakes.benches import start
from fakes.processes import command_lines
from fakes.waiting import LIMIT_S, wait_until
from vmlab.model import MachineState
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.users import MACHINE_UIDS
from vmlab.providers.qemu.process.confine import (
    CGROUPS,
    Confinement,
    Limits,
    detect_confinement,
    machine_limits,
)
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.launch import make_shim_config
from vmlab.providers.qemu.process.plan import plan_launch
from vmlab.providers.qemu.process.shim import qemu_words
from vmlab.system.worker import WorkerUser

from .test_faults import find_process, status

pytestmark = pytest.mark.vm
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="QEMU has a user of its own under root")


def proc_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@pytest.fixture
async def machine(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    return bench


async def test_qemu_is_sandboxed_and_has_no_rights(machine):
    status = proc_status(find_process(machine, "qemu-system").pid)
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


@as_root
async def test_qemu_and_shim_run_as_a_user_of_their_own(machine):
    for program in ("qemu-system", "shim"):
        process = find_process(machine, program)
        (uid,) = set(process.uids())
        assert uid in MACHINE_UIDS
        assert proc_status(process.pid)["NoNewPrivs"] == "1"


async def test_qemu_lives_in_a_network_of_its_own(machine):
    pid = find_process(machine, "qemu-system").pid
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    # Not one route: the kernel makes a few dead interfaces beside loopback in every namespace.
    assert Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:] == []


async def test_a_machine_opens_no_port_on_the_host(bench):
    def listening() -> set[int]:
        """Ports of the machine and of this process, which started it; others have theirs."""
        folder = Machine.below(bench.settings.state / "machines", bench.spec().name)
        ours = psutil.Process().children(recursive=True)
        pids = {os.getpid(), *(process.pid for process in (*ours, *find_processes(folder)))}
        found = psutil.net_connections("tcp")
        return {c.laddr.port for c in found if c.status == "LISTEN" and c.pid in pids}

    before = listening()
    await start(bench.provider, bench.spec(), bench.seed())
    mine = {
        c.laddr.port
        for program in ("qemu-system", "shim")
        for c in find_process(bench, program).net_connections("tcp")
    }
    assert mine == set(), "psutil looks at the host's namespace only"
    assert listening() - before == set()


@as_root
async def test_other_users_of_the_host_do_not_get_in(machine):
    folder = machine.settings.state / "machines" / "desk-ada-0"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o710
    assert folder.stat().st_uid == 0
    for door in ("server.sock", "ssh.sock", "qmp.sock", "agent.sock"):
        code = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX)\n"
            f"try: s.connect({str(folder / door)!r})\nexcept PermissionError: sys.exit(13)"
        )
        words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        words += ["/usr/bin/python3", "-c", code]
        done = await asyncio.to_thread(subprocess.run, words, check=False)
        assert done.returncode == 13, door
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(str(folder / "server.sock"))


@as_root
async def test_secrets_are_the_hubs_alone(machine):
    folder = machine.settings.state / "machines" / "desk-ada-0"
    for name in ("identity.json", "access_key", "machine.json", "shim.lock", "user"):
        facts = (folder / name).stat()
        assert stat.S_IMODE(facts.st_mode) == 0o600, name
        assert facts.st_uid == 0, name


async def test_no_token_in_any_file_or_command_line(bench):
    secret = "tok-4f2d9c7e1b"
    await start(bench.provider, bench.spec(), bench.seed(JUPYTERHUB_API_TOKEN=secret))
    for path in bench.settings.state.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    for _, words in command_lines():
        assert secret not in words


@pytest.fixture
def groups(machine) -> Callable[[str], Path]:
    """The machine's cgroup in a hierarchy; this host has those of version 1."""
    kind = detect_confinement()
    if kind is not Confinement.CGROUP1:
        pytest.skip("the host enforces limits by " + kind)
    folder = Machine.below(machine.settings.state / "machines", "desk-ada-0")
    return lambda hierarchy: CGROUPS / hierarchy / folder.unit


async def test_limits_hold(machine, groups):
    limits = machine_limits(256, 1)
    assert groups("memory").is_dir()
    pid = find_process(machine, "qemu-system").pid
    assert f"memory:/{groups('memory').name}" in Path(f"/proc/{pid}/cgroup").read_text()
    limit = int((groups("memory") / "memory.limit_in_bytes").read_text())
    assert limit == limits.memory_mib * 2**20


@pytest.mark.attack("shares.memory", "wants to be swapped out instead of staying in its limit")
async def test_a_machine_gets_nothing_of_the_hosts_swap(machine, groups):
    both = groups("memory") / "memory.memsw.limit_in_bytes"
    if not both.exists():
        pytest.skip("this kernel counts no swap")
    assert both.read_text() == (groups("memory") / "memory.limit_in_bytes").read_text()


# What somebody who broke out of QEMU does first: fork until the host has no process left.
_FORK_BOMB = """
import os, signal, sys
open(sys.argv[1], "w").write(str(os.getpid()))
children = []
try:
    while len(children) < 5000:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except BlockingIOError:
    print(len(children), flush=True)
    sys.stdin.read(1)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
"""


def count_at_rest(group: Path) -> int | None:
    """Return how many tasks are in a machine's group, unless its disk workers are among them."""
    tasks = int((group / "pids.current").read_text())
    return tasks if tasks < 16 else None


@pytest.mark.attack("shares.processes", "forks in a machine's cgroup until it gets no process")
async def test_a_machine_gets_so_many_processes_and_no_more(machine, groups, tried):
    most = int((groups("pids") / "pids.max").read_text())
    assert most == machine_limits(256, 1).tasks
    # QEMU's workers for a disk end some seconds after their work; the start has just been.
    at_rest = await asyncio.to_thread(wait_until, lambda: count_at_rest(groups("pids")))
    bomb = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FORK_BOMB, str(groups("pids") / "cgroup.procs"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT_S):
        forked = int(await bomb.stdout.readline())
        assert 0 < forked <= most - at_rest
        # The host has processes for others, and the machine is alive.
        await (await asyncio.create_subprocess_exec("true")).wait()
        assert (await status(machine)).state is MachineState.RUNNING
        bomb.stdin.close()
        await bomb.wait()
    tried(forked + 1)


@as_root
@pytest.mark.attack("shares.processes", "forks where a host has no cgroups")
async def test_without_cgroups_a_machine_of_an_ordinary_user_has_a_limit_too(bench, tried):
    argv = ["/usr/bin/python3", "-c", _FORK_BOMB, "/dev/null"]
    host, image = await bench.provider._planner.look("tiny")
    host = replace(host, confinement=Confinement.RLIMITS)
    plan = plan_launch(Machine(Path("/nowhere")), bench.spec(), host, image)
    limits = Limits(256, 1.0, tasks=20)
    config = make_shim_config(replace(plan, limits=limits), WorkerUser(65534, 65534, drop=False))
    # As the shim does: a user namespace of its own, in which the user is root. Who is anybody.
    anybody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    words = [
        *anybody,
        "unshare",
        "--user",
        "--map-root-user",
        *qemu_words(replace(config, argv=argv)),
    ]
    bombs = [
        await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    async with asyncio.timeout(LIMIT_S):
        forked = [int(await bomb.stdout.readline()) for bomb in bombs]
        for bomb in bombs:
            bomb.stdin.close()
            await bomb.wait()
    assert forked == [19, 19], "one machine's processes are not counted for another one"
    tried(40)
