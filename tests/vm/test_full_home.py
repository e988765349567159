"""A home that is full to its last block: the machine starts all the same, and says why."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

FILL = "mkdir -p data; dd if=/dev/zero of=data/big bs=4k 2>&1 | head -1; df --output=avail -B1 ~"


@pytest.fixture
def desk(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    volume = '[volume]\nsize = "128M"'
    with RunningHub(folder, provider="qemu", cache=cache, lab_lines=volume) as running:
        desk = Desk(running, "ada", cache)
        desk.start()
        yield desk
        desk.stop()
    shutil.rmtree(folder)


def notices(desk: Desk) -> list[str]:
    return [row["en"] for row in json.loads(desk.run("cat /run/vmlab/notices.json"))]


def test_a_full_home_starts_into_a_lab_with_a_reserve(desk):
    said = desk.run(FILL)
    assert "No space left on device" in said
    assert int(said.split()[-1]) < 64 * 1024
    wait_until(lambda: [text for text in notices(desk) if "saving files may fail" in text])
    desk.stop()
    desk.start()
    # Whoever opens a page or a terminal at once reads it there: it was told before the server came.
    assert [text for text in notices(desk) if "is full. Your lab works" in text]
    assert desk.python("print(6 * 7)").strip() == "42"
    free = int(desk.run("df --output=avail -B1 ~").split()[-1])
    assert free > 2**20, "no reserve"
    # What takes the room is found out afterwards, beside whatever else the machine does.
    (notice,) = wait_until(
        lambda: [text for text in notices(desk) if "The largest folders and files" in text]
    )
    assert "~/data" in notice
    assert "~/data/big" in notice
    desk.run("echo saved > ~/note.txt && rm -r ~/data && cat ~/note.txt")
    wait_until(lambda: not [text for text in notices(desk) if "is full" in text])
    desk.stop()
    desk.start_anew()
    assert not [text for text in notices(desk) if "is full" in text]
