"""State, machines and volumes on file systems of their own: real ones."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.benches import start
from vmlab.model import MachineState
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.warm.pool import Pool
from vmlab_protocol.snapshots import Reason

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="root alone mounts file systems"),
]


def mount(folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=711", "none", folder], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
async def mounted(bench) -> AsyncIterator[Path]:
    """The bench's state, with machines and volumes each on a file system of its own."""
    folders = [bench.settings.state / name for name in ("machines", "volumes")]
    for folder in folders:
        mount(folder)
    try:
        yield bench.settings.state
    finally:
        for name in await bench.provider.status():
            await bench.provider.delete(name)
        for folder in folders:
            unmount(folder)


async def test_machines_and_volumes_may_lie_on_file_systems_of_their_own(bench, mounted):
    spec, store = bench.spec(), bench.provider.volumes
    await start(bench.provider, spec, bench.seed())
    taken = await store.snapshot("home-ada-0", Reason.MANUAL)
    await store.show_snapshot("home-ada-0", taken.id)
    await bench.hear(spec.name, "shows snapshot ro=1")
    await store.hide_snapshot("home-ada-0")
    kept = await bench.provider.set_aside(spec.name)
    (old,) = await bench.provider.list_aside()
    assert (old.name, old.owner) == (kept, "ada")
    assert (mounted / "aside" / kept / "root.qcow2").stat().st_uid != 0, "owners stay"
    assert list((mounted / "machines").iterdir()) == []
    await start(bench.provider, spec, bench.seed())
    assert (await bench.provider.status([spec.name]))[spec.name].state is MachineState.RUNNING


async def test_a_pool_on_another_file_system_says_that_it_is_of_no_use(bench, mounted, caplog):
    waiting = mounted / "pool" / "pool-1"
    waiting.mkdir(parents=True)
    pool, target = Pool(mounted / "pool", mounted), Machine.below(mounted / "machines", "desk-a")
    pool._ready = lambda *_, **__: [Machine.below(mounted / "pool", "pool-1")]
    assert not pool.claim(target, None, way_out="")  # type: ignore[arg-type]  # not looked at
    assert "two file systems" in caplog.text
