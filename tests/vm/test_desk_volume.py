"""The volume of a real desk at work: frozen by its agent for a snapshot, looked back at, grown."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest

from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.names import volume_name
from vmlab.paths import default_paths
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.snapshots import Reason

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]


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


def test_a_volume_at_work_is_snapshot_shown_and_grown(desk, tmp_path):
    store, volume = desk.provider.volumes, volume_name("ada")
    desk.run("echo first > thesis.tex")  # not flushed: freezing does it
    taken = asyncio.run(store.snapshot(volume, Reason.MANUAL))
    desk.run("echo second > thesis.tex")

    asyncio.run(store.show_snapshot(volume, taken.id))
    assert desk.run(f"cat /snapshots/{taken.id}/thesis.tex").strip() == "first"
    assert "Read-only" in desk.run(f"sudo touch /snapshots/{taken.id}/x 2>&1; true")
    asyncio.run(store.hide_snapshot(volume))
    assert desk.run("ls /snapshots").strip() == ""

    before = int(desk.run("df --output=size -BM ~ | tail -1").strip().rstrip("M"))
    asyncio.run(store.grow(volume, 256))
    after = int(desk.run("df --output=size -BM ~ | tail -1").strip().rstrip("M"))
    assert after > before + 100
    assert desk.run("cat thesis.tex").strip() == "second"

    image = tmp_path / "home.vmdk"
    asyncio.run(store.export(volume, image, ExportFormat.VMDK))
    assert image.read_bytes()[:4] == b"KDMV"
