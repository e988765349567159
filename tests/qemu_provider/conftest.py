"""The qemu provider beyond the contract, with the tiny guest: it boots in seconds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from fakes.benches import open_bench
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name
from vmlab.providers.qemu.machine.machine import Machine


@pytest.fixture
async def bench(bench_cache, failed, start_style):
    """The qemu provider with the tiny guest."""
    async with open_bench("qemu", bench_cache, failed, start_style) as made:
        yield made


@pytest.fixture(scope="module")
def hub(tiny_cache):
    """A hub with a machine at work: powered on, its sockets and disks in use."""
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)  # as the state folder is: others pass through
    config = 'c.VMSpawner.image = "tiny"\n'
    with RunningHub(folder, extra_config=config, provider="qemu", cache=tiny_cache) as running:
        running.api("POST", "users/ada/server").raise_for_status()
        record = Machine.below(folder / "machines", machine_name("ada")).checkpoint
        wait_until(lambda: record.exists() and '"seeded"' in record.read_text())
        yield running
        running.api("DELETE", "users/ada/server").raise_for_status()
        wait_until(lambda: not running.server("ada").get("pending"))
    shutil.rmtree(folder)
