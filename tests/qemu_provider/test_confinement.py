"""What a machine's process may do on the host. Real QEMU, tiny guest."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from fakes.benches import start
from vmlab.providers.qemu.confine import (
    QEMU_USER,
    Confinement,
    detect_confinement,
    machine_limits,
)
from vmlab.providers.qemu.ending import find_processes
from vmlab.providers.qemu.layout import machine_folder

from .test_faults import command_lines, find_process

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
        assert process.username() == QEMU_USER
        assert set(process.uids()) == {process.uids().real} != {0}


async def test_qemu_lives_in_a_network_of_its_own(machine):
    pid = find_process(machine, "qemu-system").pid
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    # Not one route: the kernel makes a few dead interfaces beside loopback in every namespace.
    assert Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:] == []


async def test_a_machine_opens_no_port_on_the_host(bench):
    def listening() -> set[int]:
        """Ports of the machine and of this process, which started it; others have theirs."""
        folder = machine_folder(bench.settings.state / "machines", bench.spec().name)
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
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
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
    for name in ("identity.json", "access_key", "machine.json", "shim.json"):
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


async def test_limits_hold(machine):
    kind = detect_confinement()
    if kind is not Confinement.CGROUP1:
        pytest.skip("the host enforces limits by " + kind)
    pid = find_process(machine, "qemu-system").pid
    groups = Path(f"/proc/{pid}/cgroup").read_text()
    assert "memory:/vmlab-desk-ada-0-" in groups
    folder = next(Path("/sys/fs/cgroup/memory").glob("vmlab-desk-ada-0-*"))
    limit = int((folder / "memory.limit_in_bytes").read_text())
    assert limit == machine_limits(256, 1).memory_mib * 2**20
