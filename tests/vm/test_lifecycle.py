"""The life of a real machine beyond its start: a new one with the same volume, a hub that lost it.

The desk image, a real hub. One machine serves all tests, in the order in which they stand.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.names import volume_name
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def hub(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    with RunningHub(folder, provider="qemu", cache=default_paths().cache) as running:
        yield running
        if running.server("ada"):
            running.stop_server("ada", limit_s=180)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(hub):
    made = Desk(hub, "ada", default_paths().cache)
    made.start()
    return made


def test_the_agent_says_for_how_long_nobody_worked_and_takes_a_warning(desk):
    def idle_s() -> float:
        # An agent that takes more than its 5 s is left out of the answer.
        ask = desk.provider.activity
        return wait_until(lambda: asyncio.run(ask([desk.machine])).get(desk.machine)).idle_s

    assert 0 <= idle_s() < 600
    asyncio.run(desk.provider.warn(desk.machine, time.time() + 600))
    assert "stop_at" in desk.run("cat /run/vmlab/warning.json")
    asyncio.run(desk.provider.warn(desk.machine, 0))
    assert desk.run("ls /run/vmlab/warning.json", check=False) == ""
    # Who works over SSH is at work, whatever the browser does.
    idle_s()
    began = time.monotonic()
    desk.run("timeout 5 sh -c 'while :; do :; done'", check=False)
    assert idle_s() < time.monotonic() - began


def test_a_new_machine_has_the_same_home_and_a_fresh_system(hub, desk):
    desk.run("echo mine > ~/work.txt && sudo touch /etc/broken && sync")
    machine_id = desk.run("cat /etc/machine-id")
    answer = hub.api("POST", "vmlab/machines/ada/renew", token=hub.user_token("ada"))
    answer.raise_for_status()
    wait_until(
        lambda: hub.server("ada").get("ready") and list((hub.folder / "aside").glob("*")), 600
    )
    desk.forget_connection()
    assert desk.run("cat ~/work.txt") == "mine\n"
    assert desk.run("ls /etc/broken", check=False) == ""
    assert desk.run("cat /etc/machine-id") != machine_id
    (kept,) = (hub.folder / "aside").iterdir()
    assert (kept / "root.qcow2").exists()
    assert not list(kept.glob("*.sock"))


def test_a_stop_writes_out_what_the_guest_held_back_and_leaves_clean_disks(hub, desk, tmp_path):
    desk.run("seq 100000 > ~/numbers.txt")  # no sync: it is in the guest's memory
    desk.stop()
    volume = hub.folder / "volumes" / f"{volume_name('ada')}.qcow2"
    raw = tmp_path / "home.raw"
    for words in (
        ["qemu-img", "check", "-q", volume],
        ["qemu-img", "convert", "-O", "raw", volume, raw],
        ["e2fsck", "-fn", raw],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    desk.start_anew()
    assert desk.run("tail -1 ~/numbers.txt") == "100000\n"


def test_a_hub_that_lost_its_database_gives_the_running_machine_its_server_back(hub, desk):
    desk.run("echo kept | sudo tee /run/user-was-here")
    before = desk.folder.record()
    hub.stop(signal.SIGKILL)
    for file in hub.folder.glob("jupyterhub.sqlite*"):
        file.unlink()
    hub.start()
    # Nobody asks for it.
    wait_until(lambda: hub.server("ada").get("ready"), 600)
    assert "is adopted: it runs, and the hub lost the server of ada" in hub.log.read_text()
    assert desk.folder.record().powered_at == before.powered_at, "it was powered on again"
    assert desk.run("cat /run/user-was-here") == "kept\n"
    assert desk.python("print(6 * 7)").strip() == "42"
