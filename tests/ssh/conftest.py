"""A hub whose machines are processes with OpenSSH's sshd (tests/process_provider)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fakes.plugged_in import plugged_in
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from ssh.computer import SSHD, Computer
from vmlab.lab.lab import load_lab
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings
from vmlab.system.host import find_free_port

TRAINEES = ("ada", "bob", "eve", "kim", "zoe")


class SshHub(RunningHub):
    """A hub with a jump host."""

    ssh_port = 0

    @property
    def paths(self) -> Paths:
        """Its folders."""
        return Paths(self.folder, self.folder)

    def wait_for_ssh(self) -> None:
        """Return when the jump host listens, as its hub's service."""
        wait_until(lambda: self.paths.ssh_socket.exists() and _is_open(self.ssh_port))


def _is_open(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_ssh_hub(processes: Path, **more: str) -> Iterator[SshHub]:
    """Run a hub; end it and all its machines."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the machines' sshd has users of its own")
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))  # short: unix sockets are below it
    port = find_free_port()
    lab = f"[ssh]\nport = {port}\n{more.pop('lab_lines', '')}"
    os.environ["VMLAB_TEST_SSHD"] = str(SSHD)
    with plugged_in(processes):
        try:
            hub = SshHub(folder, trainees=TRAINEES, provider="processes", lab_lines=lab, **more)  # type: ignore[arg-type]
            hub.ssh_port = port
            with hub:
                hub.wait_for_ssh()
                yield hub
        finally:
            os.environ.pop("VMLAB_TEST_SSHD")
            asyncio.run(_end_all(folder))
            shutil.rmtree(folder)


async def _end_all(folder: Path) -> None:
    settings = provider_settings(load_lab(folder / "lab.toml"), Paths(folder, folder))
    provider = make_provider(settings)
    for name in await provider.status():
        await provider.delete(name)


@pytest.fixture(scope="module")
def hub(processes):
    """A hub; ada's and bob's machines run."""
    with running_ssh_hub(processes) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        yield running


@pytest.fixture(scope="module")
def ada(hub, tmp_path_factory):
    """The computer of ada, whose key is registered, set up for the hub's own address."""
    computer = Computer(tmp_path_factory.mktemp("ada") / "home", hub, "ada")
    computer.register()
    computer.set_up()
    return computer


@pytest.fixture(scope="module")
def ada_by_port(hub, tmp_path_factory):
    """Another one of hers, set up for the port."""
    computer = Computer(tmp_path_factory.mktemp("ada-port") / "home", hub, "ada")
    computer.register()
    computer.set_up(port=True)
    return computer


@pytest.fixture(scope="module")
def bob(hub, tmp_path_factory):
    """The computer of bob."""
    computer = Computer(tmp_path_factory.mktemp("bob") / "home", hub, "bob")
    computer.register()
    computer.set_up(port=True)
    return computer
