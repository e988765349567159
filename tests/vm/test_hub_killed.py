"""A hub that is killed finds its machines again, or clears them away. Real hub, tiny guest."""

from __future__ import annotations

import html
import json
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from jupyterhub import orm

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab import messages
from vmlab.names import machine_name
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes

pytestmark = pytest.mark.vm


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="vmlab-"))
    path.chmod(0o711)
    yield path
    mark = str(path)
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()):
                process.kill()
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(path)


def stop_server(hub, machine) -> None:
    hub.api("DELETE", "users/ada/server").raise_for_status()
    wait_until(lambda: not machine.is_running())


@contextmanager
def hub_that_ended(
    folder, tiny_cache, sig, stage: str, http_timeout_s: int, meanwhile=lambda _hub: None
):
    """A hub that ended when a start had come so far, and was started again; and the machine."""
    config = f'c.VMSpawner.image = "tiny"\nc.VMSpawner.http_timeout = {http_timeout_s}\n'
    machine = Machine.below(folder / "machines", machine_name("ada"))
    with RunningHub(folder, extra_config=config, provider="qemu", cache=tiny_cache) as hub:
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(machine.is_running)
        wait_until(lambda: f'"{stage}"' in machine.checkpoint.read_text())
        hub.stop(sig)
        assert machine.is_running(), "the machine ended with the hub"
        meanwhile(hub)
        hub.start()
        yield hub, machine


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_that_was_cut_with_its_hub_is_begun_again(folder, tiny_cache, sig):
    # So long would the hub wait for a server that cannot come: the machine has no seed yet.
    with hub_that_ended(folder, tiny_cache, sig, "powered", 3600) as (hub, machine):
        # Nobody asks for it.
        wait_until(lambda: '"seeded"' in machine.checkpoint.read_text())
        assert "is adopted: it is starting" in hub.log.read_text()
        assert hub.server("ada")["pending"] == "spawn"
        stop_server(hub, machine)


def test_the_machine_of_a_trainee_who_was_renamed_runs_on_and_is_theirs(folder, tiny_cache):
    pids: list[int] = []

    def rename(hub) -> None:
        """As an older version's admin page did before a start, and its next hub after it."""
        machine = Machine.below(folder / "machines", machine_name("ada"))
        pids.extend(process.pid for process in find_processes(machine))
        with hub.database() as db:
            ada = orm.User.find(db, "ada")
            ada.name = "ada2"
            spawner = ada.orm_spawners[""]
            spawner.state = {"vmlab": {"version": 1, "machine": machine_name("ada")}}
            spawner.server = orm.Server(base_url="/user/ada2/")
            db.add(orm.User(name="ada"))

    ended = hub_that_ended(folder, tiny_cache, signal.SIGTERM, "seeded", 3600, rename)
    with ended as (hub, machine):
        wait_until(lambda: hub.server("ada").get("pending") == "spawn")
        assert "is adopted: it runs, and the hub lost the server of ada\n" in hub.log.read_text()
        assert pids
        assert [process.pid for process in find_processes(machine)] == pids
        assert hub.api("GET", "users/ada2").status_code == 404
        stop_server(hub, machine)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_hub_killed_while_a_server_starts(folder, tiny_cache, sig):
    # The tiny guest never serves HTTP: its start hangs after the seed until the hub gives up.
    with hub_that_ended(folder, tiny_cache, sig, "seeded", 5) as (hub, machine):
        # Nobody waits for this start any more: the hub asks, gets no answer and stops it.
        wait_until(lambda: not machine.is_running())
        wait_until(lambda: not hub.server("ada"))
        assert machine.root_disk.exists()
        assert not machine.server.exists()
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(machine.is_running)
        stop_server(hub, machine)


def test_a_machine_that_dies_while_its_server_starts(folder, tiny_cache):
    config = 'c.VMSpawner.image = "tiny"\n'
    machine = Machine.below(folder / "machines", machine_name("ada"))
    with RunningHub(folder, extra_config=config, provider="qemu", cache=tiny_cache) as hub:
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(
            lambda: machine.checkpoint.exists() and '"seeded"' in machine.checkpoint.read_text()
        )
        (qemu,) = (p for p in find_processes(machine) if "qemu-system-x86_64" in p.cmdline())
        qemu.kill()
        answer = hub.api("GET", "users/ada/server/progress", stream=True)
        last = [line for line in answer.iter_lines(decode_unicode=True) if "data:" in line][-1]
        told = html.unescape(json.loads(str(last).removeprefix("data:"))["html_message"])
        assert messages.WENT_OFF.en in told
        assert messages.WENT_OFF.fr in told
        wait_until(lambda: not hub.server("ada"))
        assert not machine.is_running()
