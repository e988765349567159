"""What trainees do to their own machine, and what a host does to it: it comes back all the same.

One machine serves all tests, in the order in which they stand. A boot costs most: the first one
meets all that can be wrong with a home, the second one is the machine's own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.model import MachineState
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.providers.qemu.channels.monitor import open_monitor

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

SETTINGS = """\
c = get_config()
c.ServerApp.root_dir = "/home/trainee/analyse"
"""
FILL = "mkdir -p data; dd if=/dev/zero of=data/big bs=4k 2>&1 | head -1; df --output=avail -B1 ~"
LIMIT_S = 600


@pytest.fixture(scope="module")
def desk(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    config = "c.VMSpawner.poll_interval = 2\n"
    volume = '[volume]\nsize = "128M"'
    with RunningHub(
        folder, provider="qemu", cache=cache, extra_config=config, lab_lines=volume
    ) as running:
        desk = Desk(running, "ada", cache)
        desk.start()
        yield desk
        if running.server("ada"):
            desk.stop()
    shutil.rmtree(folder)


def notices(desk: Desk) -> list[str]:
    return [row["en"] for row in json.loads(desk.run("cat /run/vmlab/notices.json"))]


def problem(desk: Desk) -> str:
    return status(desk).problem


def test_a_lab_comes_back_from_settings_rights_a_full_home_and_a_power_off(desk):
    desk.run("mkdir -p ~/.jupyter; cat > ~/.jupyter/jupyter_server_config.py",
             stdin=SETTINGS.encode())  # fmt: skip
    desk.run("echo kept > ~/note.txt")
    said = desk.run(FILL)
    assert "No space left on device" in said
    assert int(said.split()[-1]) < 64 * 1024
    wait_until(lambda: [text for text in notices(desk) if "saving files may fail" in text])
    desk.run("sudo chown root:root ~ && sudo chmod 700 ~")
    power_off(desk)  # it stays one until somebody starts the machine
    desk.start()
    # Whoever opens a page or a terminal at once reads it there: it was told before the server came.
    told = notices(desk)
    assert [text for text in told if "is full. Your lab works" in text]
    assert desk.python("print(open('note.txt').read())").strip() == "kept"
    assert "given back to you" in "\n".join(told)
    assert "~/.jupyter/jupyter_server_config.py" in "\n".join(told)
    for words in ("\n".join(told), problem(desk)):
        assert "/home/trainee/analyse" in words
    free = int(desk.run("df --output=avail -B1 ~").split()[-1])
    assert free > 2**20, "no reserve"
    # What takes the room is found out afterwards, beside whatever else the machine does.
    (notice,) = wait_until(
        lambda: [text for text in notices(desk) if "The largest folders and files" in text]
    )
    assert "~/data" in notice
    assert "~/data/big" in notice
    desk.run("rm ~/.jupyter/jupyter_server_config.py")
    desk.run("echo saved > ~/saved.txt && rm -r ~/data && cat ~/saved.txt")
    wait_until(lambda: not [text for text in notices(desk) if "is full" in text])


def power_off(desk: Desk) -> None:
    """Have the machine power itself off, as its user may; return when the hub has seen it."""
    desk.run("sync; sudo systemd-run --on-active=1 systemctl poweroff")
    wait_until(lambda: not desk.folder.is_running())
    wait_until(lambda: not desk.hub.server("ada"))
    desk.forget_connection()


def test_a_lab_comes_back_from_a_pause_and_a_reboot(desk):
    asyncio.run(pause(desk, 20))
    assert desk.run("date +%s").strip().isdecimal()
    wait_until(lambda: desk.clock_error_s() < 5)

    boot_id = desk.run("cat /proc/sys/kernel/random/boot_id")
    desk.run("sudo systemctl reboot --no-block", check=False)
    wait_until(lambda: status(desk).state is not MachineState.RUNNING, LIMIT_S)
    desk.forget_connection()
    wait_until(lambda: status(desk).state is MachineState.RUNNING, LIMIT_S)
    assert desk.run("cat /proc/sys/kernel/random/boot_id") != boot_id
    wait_until(lambda: desk.hub.server("ada").get("ready"), LIMIT_S)
    assert problem(desk) == ""
    assert desk.python("print(open('note.txt').read())").strip() == "kept"


def status(desk: Desk):
    return asyncio.run(desk.provider.status([desk.machine]))[desk.machine]


async def pause(desk: Desk, seconds: float) -> None:
    async with open_monitor(desk.machine, desk.folder.qmp) as monitor:
        await monitor.pause()
        await asyncio.sleep(seconds)  # the pause itself
        await monitor.resume()


def test_a_stop_writes_out_what_the_guest_held_back_and_leaves_clean_disks(desk, tmp_path):
    desk.run("seq 100000 > ~/numbers.txt")  # no sync: it is in the guest's memory
    desk.stop()
    volume = desk.hub.folder / "volumes" / f"{volume_name('ada')}.qcow2"
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
    assert not [text for text in notices(desk) if "is full" in text]
