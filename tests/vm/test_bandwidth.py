"""Limits of disk and network on a real machine's process; the tiny guest."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import pytest

from fakes.benches import start
from vmlab.model import Bandwidth
from vmlab.providers.qemu.ending import find_processes
from vmlab.providers.qemu.layout import machine_folder
from vmlab.providers.qemu.monitor import open_monitor

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("bandwidth", [Bandwidth(), Bandwidth(7, 300, 80), Bandwidth(0, 0, 0)])
async def test_all_disks_share_one_limit_and_the_shim_knows_the_networks(bench, bandwidth):
    spec = bench.spec(bandwidth=bandwidth)
    await start(bench.provider, spec, bench.seed())
    folder = machine_folder(bench.settings.state / "machines", spec.name)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        limits = await monitor.disk_limits()
    assert len(limits) == 2, "root disk and volume"
    expected = (bandwidth.disk_mib_s * 2**20, bandwidth.disk_iops)
    assert {(bps, iops) for bps, iops, _ in limits.values()} == {expected}
    if any(expected):
        assert {group for _, _, group in limits.values()} == {"machine"}
    shim = json.loads(folder.shim_config.read_text())
    assert shim["bytes_per_s"] == bandwidth.network_mbit_s * 125_000


async def test_new_limits_hold_from_the_next_seed_on(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    spec = bench.spec(bandwidth=Bandwidth(1, 100, 0))
    await start(bench.provider, spec, bench.seed())
    folder = machine_folder(bench.settings.state / "machines", spec.name)
    async with open_monitor(spec.name, folder.qmp) as monitor:
        limits = await monitor.disk_limits()
    assert {(bps, iops) for bps, iops, _ in limits.values()} == {(2**20, 100)}


@pytest.mark.skipif(os.geteuid() != 0, reason="looking into another namespace needs root")
async def test_what_goes_to_the_internet_is_limited_too(bench):
    spec = bench.spec(bandwidth=Bandwidth(network_mbit_s=80), internet=True)
    await start(bench.provider, spec, bench.seed())
    folder = machine_folder(bench.settings.state / "machines", spec.name)
    inside = next(p for p in find_processes(folder) if "qemu-system-x86_64" in p.cmdline())
    words = ["nsenter", f"--net=/proc/{inside.pid}/ns/net", "tc", "qdisc", "show", "dev", "uplink0"]
    told = await asyncio.to_thread(subprocess.check_output, words, text=True)
    assert "tbf" in told
    assert "rate 80Mbit" in told
