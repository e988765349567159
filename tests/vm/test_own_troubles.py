"""What trainees do to their own machine, and what a host does to it: it comes back all the same."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.model import MachineState
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.providers.qemu.channels.monitor import open_monitor

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200)]

SETTINGS = """\
c = get_config()
c.ServerApp.root_dir = "/home/trainee/analyse"
"""
LIMIT_S = 600


@pytest.fixture
def desk(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    config = "c.VMSpawner.poll_interval = 2\n"
    with RunningHub(folder, provider="qemu", cache=cache, extra_config=config) as running:
        desk = Desk(running, "ada", cache)
        desk.start()
        yield desk
        if running.server("ada"):
            desk.stop()
    shutil.rmtree(folder)


def notices(desk: Desk) -> str:
    return "\n".join(row["en"] for row in json.loads(desk.run("cat /run/vmlab/notices.json")))


def problem(desk: Desk) -> str:
    return asyncio.run(desk.provider.status([desk.machine]))[desk.machine].problem


def test_a_lab_comes_back_from_settings_rights_a_power_off_a_pause_and_a_reboot(desk):
    desk.run("mkdir -p ~/.jupyter; cat > ~/.jupyter/jupyter_server_config.py",
             stdin=SETTINGS.encode())  # fmt: skip
    desk.run("echo kept > ~/note.txt; sudo chown root:root ~ && sudo chmod 700 ~")
    power_off(desk)  # it stays one until somebody starts the machine
    desk.start()
    assert desk.python("print(open('note.txt').read())").strip() == "kept"
    told = notices(desk)
    assert "given back to you" in told
    assert "~/.jupyter/jupyter_server_config.py" in told
    for words in (told, problem(desk)):
        assert "/home/trainee/analyse" in words
    desk.run("rm ~/.jupyter/jupyter_server_config.py")

    asyncio.run(pause(desk, 20))
    assert desk.run("date +%s").strip().isdecimal()
    wait_until(lambda: abs(int(desk.run("date +%s")) - time.time()) < 5)

    boot_id = desk.run("cat /proc/sys/kernel/random/boot_id")
    desk.run("sudo systemctl reboot --no-block", check=False)
    wait_until(lambda: status(desk).state is not MachineState.RUNNING, LIMIT_S)
    desk.forget_connection()
    wait_until(lambda: status(desk).state is MachineState.RUNNING, LIMIT_S)
    assert desk.run("cat /proc/sys/kernel/random/boot_id") != boot_id
    wait_until(lambda: desk.hub.server("ada").get("ready"), LIMIT_S)
    assert problem(desk) == ""
    assert desk.python("print(open('note.txt').read())").strip() == "kept"

    desk.stop()
    volume = desk.hub.folder / "volumes" / f"{volume_name('ada')}.qcow2"
    subprocess.run(["qemu-img", "check", volume], capture_output=True, check=True)


def power_off(desk: Desk) -> None:
    """Have the machine power itself off, as its user may; return when the hub has seen it."""
    desk.run("sync; sudo systemd-run --on-active=1 systemctl poweroff")
    wait_until(lambda: not desk.folder.is_running())
    wait_until(lambda: not desk.hub.server("ada"))
    desk.forget_connection()


def status(desk: Desk):
    return asyncio.run(desk.provider.status([desk.machine]))[desk.machine]


async def pause(desk: Desk, seconds: float) -> None:
    async with open_monitor(desk.machine, desk.folder.qmp) as monitor:
        await monitor.pause()
        await asyncio.sleep(seconds)  # the pause itself
        await monitor.resume()
