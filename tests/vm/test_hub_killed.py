"""A hub that is killed finds its machines again, or clears them away. Real hub, tiny guest."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name
from vmlab.providers.qemu.ending import find_processes
from vmlab.providers.qemu.layout import machine_folder
from vmlab.providers.qemu.shim import is_locked

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


@pytest.mark.parametrize("stage", ["powered", "seeded"])
@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_hub_killed_while_a_machine_starts(folder, tiny_cache, stage, sig):
    # The tiny guest never serves HTTP: its start hangs after the seed until the hub gives up.
    config = 'c.VMSpawner.image = "tiny"\nc.VMSpawner.http_timeout = 5\n'
    hub = RunningHub(folder, extra_config=config, provider="qemu", cache=tiny_cache)
    machine = machine_folder(folder / "machines", machine_name("ada"))
    with hub:
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(lambda: is_locked(str(machine.shim_lock)))
        wait_until(lambda: f'"{stage}"' in machine.record.read_text())
        hub.stop(sig)
        assert is_locked(str(machine.shim_lock)), "the machine ended with the hub"
        hub.start()
        # Nobody waits for this start any more: the hub asks, gets no answer and stops it.
        wait_until(lambda: not is_locked(str(machine.shim_lock)))
        wait_until(lambda: not hub.server("ada"))
        assert machine.root_disk.exists()
        assert not machine.server.exists()
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(lambda: is_locked(str(machine.shim_lock)))
        hub.api("DELETE", "users/ada/server").raise_for_status()
        wait_until(lambda: not is_locked(str(machine.shim_lock)))


def test_a_machine_that_dies_while_its_server_starts(folder, tiny_cache):
    config = 'c.VMSpawner.image = "tiny"\n'
    machine = machine_folder(folder / "machines", machine_name("ada"))
    with RunningHub(folder, extra_config=config, provider="qemu", cache=tiny_cache) as hub:
        hub.api("POST", "users/ada/server").raise_for_status()
        wait_until(lambda: machine.record.exists() and '"seeded"' in machine.record.read_text())
        (qemu,) = (p for p in find_processes(machine) if "qemu-system-x86_64" in p.cmdline())
        qemu.kill()
        answer = hub.api("GET", "users/ada/server/progress", stream=True)
        last = [line for line in answer.iter_lines(decode_unicode=True) if "data:" in line][-1]
        assert "Your machine went off while it was starting. Please start it again." in last
        assert "éteinte" in json.loads(last.removeprefix("data:"))["html_message"]
        wait_until(lambda: not hub.server("ada"))
        assert not is_locked(str(machine.shim_lock))
