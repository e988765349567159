"""The kernel forker as a real process, real kernels forked from it, and the provisioner."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from fakes.waiting import wait_until
from vmlab_guest.kernel_provisioner import ForkedProvisioner
from vmlab_guest.kernels import Request, ask_for_kernel, make_request
from vmlab_guest.play import play

PROGRAM = """
import sys
from pathlib import Path
import ipykernel.kernelapp
from vmlab_guest import kernels
kernels.become_trainee = lambda: None
path = Path(sys.argv[1])
listen = kernels.KernelForker.serve
def serve(forker):
    print("open", flush=True)
    return listen(forker)
kernels.KernelForker.serve = serve
sys.exit(kernels.run_kernel_forker(path))
"""
LAUNCH = [sys.executable, "-m", "ipykernel_launcher", "-f", "x.json"]


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("n") / "kernels"


@pytest.fixture
def forker(path: Path) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
async def manager(path: Path, monkeypatch) -> AsyncIterator[AsyncKernelManager]:
    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(
        "vmlab-forked",
        "vmlab_guest.kernel_provisioner:ForkedProvisioner",
        "jupyter_client.kernel_provisioners",
    )
    monkeypatch.setitem(factory.provisioners, "vmlab-forked", entry)
    monkeypatch.setattr(factory, "default_provisioner_name", "vmlab-forked")
    monkeypatch.setattr(ForkedProvisioner, "forker", path)
    manager = AsyncKernelManager()
    yield manager
    if manager.has_kernel:
        await manager.shutdown_kernel(now=True)
    KernelProvisionerFactory.clear_instance()


async def run(manager: AsyncKernelManager, code: str) -> str:
    """Run code in the kernel; return what it printed."""
    client = manager.client()
    client.start_channels()
    texts: list[str] = []

    def hear(message: dict) -> None:
        content = message["content"]
        texts.append(content.get("text", "") or "\n".join(content.get("traceback", ())))

    try:
        await client.wait_for_ready(timeout=60)
        await client.execute_interactive(code, output_hook=hear, timeout=60)
    finally:
        client.stop_channels()
    return "".join(texts).strip()


async def start(manager: AsyncKernelManager, **options: object) -> AsyncKernelManager:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    await manager.start_kernel(env={**env, "MARK": "mine"}, **options)
    return manager


async def test_a_forked_kernel_is_a_kernel(forker, manager, tmp_path):
    await start(manager, cwd=str(tmp_path))
    code = (
        "import os, sys; print(6 * 7, os.getppid(), os.environ['MARK'], os.getcwd(), "
        "os.getpgid(0) == os.getpid(), os.environ['JPY_PARENT_PID'], __name__)"
    )
    mine = str(forker.pid)
    assert await run(manager, code) == f"42 {mine} mine {tmp_path} True {mine} __main__"


async def test_what_a_cell_runs_speaks_the_language_of_the_machine(
    forker, manager, monkeypatch, tmp_path
):
    monkeypatch.setattr(ForkedProvisioner, "run", tmp_path)
    (tmp_path / "language").write_text("fr\n")
    await start(manager)
    assert await run(manager, "import os; print(os.environ['LANGUAGE'])") == "fr"


async def test_kernels_share_no_randomness(forker, manager, monkeypatch):
    other = AsyncKernelManager()
    code = "import random, uuid; print(random.random(), uuid.uuid4())"
    try:
        seen = [await run(await start(each), code) for each in (manager, other)]
    finally:
        await other.shutdown_kernel(now=True)
    assert len({word for line in seen for word in line.split()}) == 4


async def test_an_interrupt_reaches_a_forked_kernel(forker, manager):
    await start(manager)
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    client.execute("import time\nprint('begun', flush=True)\ntime.sleep(600)")
    while (await client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
        pass
    await manager.interrupt_kernel()
    while (message := await client.get_iopub_msg(timeout=60))["msg_type"] != "error":
        pass
    assert message["content"]["ename"] == "KeyboardInterrupt"
    client.stop_channels()


async def test_a_kernel_that_is_killed_is_known_to_have_ended(forker, manager):
    await start(manager)
    kernel = manager.provisioner.process
    assert await manager.is_alive()
    os.kill(kernel.pid, signal.SIGKILL)
    assert kernel.wait(60) == -signal.SIGKILL
    assert not await manager.is_alive()
    await start(manager)
    assert await run(manager, "print('again')") == "again"


async def test_a_kernel_ends_when_it_is_asked(forker, manager):
    await start(manager)
    kernel = manager.provisioner.process
    assert await run(manager, "print('ready')") == "ready"
    manager.shutdown_wait_time = 120.0  # after half of it, it is not asked any more
    await manager.shutdown_kernel()
    assert kernel.wait(60) == 0


def test_a_notebook_is_played_in_a_forked_kernel(forker, manager, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(KernelProvisionerFactory.instance(), "default_provisioner_name", "unset")
    source = "import os; print(os.getppid())"
    cell = {"cell_type": "code", "source": source}
    (tmp_path / "exercise.ipynb").write_text(json.dumps({"cells": [cell]}))
    played = play(tmp_path / "exercise.ipynb", tmp_path, 60)
    assert (played.output.strip(), played.errors) == (str(forker.pid), [])


async def test_without_a_kernel_forker_a_kernel_is_started(manager):
    await start(manager)
    assert isinstance(manager.provisioner.process, subprocess.Popen)
    assert await run(manager, "print(6 * 7)") == "42"


def test_nonsense_does_not_end_the_kernel_forker(forker, path, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        opened = len(list(Path(f"/proc/{forker.pid}/fd").iterdir()))
        caller.connect(str(path))
        socket.send_fds(caller, [b"dance"], [1, 2])
        assert caller.recv(10) == b""
        wait_until(lambda: len(list(Path(f"/proc/{forker.pid}/fd").iterdir())) == opened)
    kernel = ask_for_kernel(Request(("--version",), dict(os.environ), str(tmp_path)), path)
    assert kernel is not None
    assert kernel.wait(60) == 0
    assert forker.poll() is None


def test_a_server_that_waits_for_the_processor_before_it_asks_gets_its_kernel(forker, path):
    """Beside twenty machines seconds pass between two calls."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.connect(str(path))
        refused, _, _ = select.select([caller], [], [], 3)
        assert not refused
        request = Request(("--version",), dict(os.environ), "/")
        socket.send_fds(caller, [json.dumps(asdict(request)).encode()], [1, 2])
        caller.settimeout(60)
        assert int(caller.recv(64)) > 0
        assert caller.recv(64) == b"0"


def test_a_kernel_forker_too_busy_to_answer_leaves_no_second_kernel(
    forker, path, tmp_path, monkeypatch, capfd
):
    """The server starts a kernel on the same ports meanwhile."""
    request = Request(("-f", str(tmp_path / "connection.json")), dict(os.environ), "/")
    monkeypatch.setattr("vmlab_guest.kernels._LAUNCH_S", 0.1)
    forker.send_signal(signal.SIGSTOP)
    assert ask_for_kernel(request, path) is None
    assert "could not be forked: TimeoutError" in capfd.readouterr().err
    forker.send_signal(signal.SIGCONT)
    monkeypatch.undo()
    # The next one in the queue is answered after the one that gave up.
    kernel = ask_for_kernel(Request(("--version",), dict(os.environ), "/"), path)
    assert kernel is not None
    assert kernel.wait(60) == 0
    children = Path(f"/proc/{forker.pid}/task/{forker.pid}/children")
    wait_until(lambda: children.read_text() == "")
    assert not (tmp_path / "connection.json").exists(), "two kernels were there for a moment"


def test_a_kernel_ends_with_whom_it_was_forked_for(forker, path, tmp_path):
    request = Request(("-f", str(tmp_path / "connection.json")), dict(os.environ), "/")
    kernel = ask_for_kernel(request, path)
    assert kernel is not None
    ended = os.pidfd_open(kernel.pid)
    kernel._connection.close()
    assert select.select([ended], [], [], 60)[0]
    os.close(ended)


def test_a_kernel_forker_that_is_gone_has_ended_its_kernels(forker, path, tmp_path):
    connection = tmp_path / "connection.json"
    kernel = ask_for_kernel(Request(("-f", str(connection)), dict(os.environ), "/"), path)
    assert kernel is not None
    assert kernel.poll() is None
    ended = os.pidfd_open(kernel.pid)
    forker.kill()
    assert kernel.wait(60) == -signal.SIGKILL
    assert select.select([ended], [], [], 60)[0], "the kernel lives on without its kernel forker"
    os.close(ended)


def test_what_a_fork_could_not_be_is_no_request():
    env = {"HOME": "/home/trainee"}
    assert make_request(LAUNCH, env, "/") == Request(("-f", "x.json"), env, "/")
    frozen = [sys.executable, "-Xfrozen_modules=off", *LAUNCH[1:]]
    assert make_request(frozen, env, "/") == make_request(LAUNCH, env, "/")
    assert make_request(["/usr/bin/R", *LAUNCH[1:]], env, "/") is None
    assert make_request([sys.executable, "-m", "bash_kernel", "-f", "x"], env, "/") is None
    assert make_request(LAUNCH, {**env, "PYTHONPATH": "/mine"}, "/") is None


def test_a_request_that_is_too_long_is_left_to_a_new_process(forker, path):
    request = Request((), {"LONG": "x" * 2**20}, "/")
    assert ask_for_kernel(request, path) is None
