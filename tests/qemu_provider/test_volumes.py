"""Volumes on real QEMU machines: what was written is in the snapshot; a full host loses nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from fakes.benches import kill_all, start
from fakes.waiting import LIMIT_S
from vmlab.errors import HostError, LabError
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.system.disk_space import find_free_space
from vmlab.upkeep.volumes import Memory, look_after
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.snapshots import Reason

pytestmark = pytest.mark.vm

VOLUME, MACHINE = "home-ada-0", "desk-ada-0"


async def write(bench, word: str) -> None:
    """Have the guest write a word into its volume, and wait until it is there for good."""
    await start(bench.provider, bench.spec(), bench.seed(X=f"TINY_WRITE_{word}"))
    await bench.hear(MACHINE, f"wrote {word}")


async def content(store, tmp_path, snapshot: str = "") -> str:
    target = tmp_path / "content.raw"
    await store.export(VOLUME, target, ExportFormat.RAW, snapshot)
    await run("/sbin/e2fsck", "-fn", target)
    word = await run("/sbin/debugfs", "-R", "cat word", target)
    target.unlink()
    return word.decode().strip()


async def test_what_was_written_is_in_the_snapshot_and_comes_back(bench, tmp_path):
    store = bench.provider.volumes
    await write(bench, "first")
    taken = await store.snapshot(VOLUME, Reason.HOURLY)
    await write(bench, "second")
    assert await content(store, tmp_path, taken.id) == "first"
    assert await content(store, tmp_path) == "second", "while it runs"
    await bench.provider.stop(MACHINE)
    done = await store.restore(VOLUME, taken.id)
    assert await content(store, tmp_path) == "first"
    assert await content(store, tmp_path, done.kept.id) == "second"
    await write(bench, "third")
    assert await content(store, tmp_path) == "third"
    assert await content(store, tmp_path, taken.id) == "first", "a snapshot never changes"


async def test_a_killed_machine_keeps_its_volume_and_its_snapshots(bench, tmp_path):
    from vmlab.providers.qemu.process.ending import find_processes

    store = bench.provider.volumes
    await write(bench, "first")
    taken = await store.snapshot(VOLUME, Reason.HOURLY)
    await write(bench, "second")
    kill_all(find_processes(Machine(bench.settings.state / "machines" / MACHINE)))
    await bench.provider.stop(MACHINE)
    assert await content(store, tmp_path) == "second"
    assert await content(store, tmp_path, taken.id) == "first"


async def test_the_hubs_job_takes_a_snapshot_and_purges(bench, monkeypatch):
    store = bench.provider.volumes
    await write(bench, "first")
    now = store.context.clock()
    object.__setattr__(store.context, "clock", lambda: now + 3700)
    await look_after(store.context, bench.provider, memory := Memory())
    assert [snapshot.reason for snapshot in await store.snapshots(VOLUME)] == [Reason.HOURLY]
    await look_after(store.context, bench.provider, memory)
    assert len(await store.snapshots(VOLUME)) == 1, "not again within the hour"
    await bench.provider.delete(MACHINE)
    await store.delete(VOLUME)
    object.__setattr__(store.context, "clock", lambda: now + 3700 + 15 * 86400)
    await look_after(store.context, bench.provider, memory)
    assert await store.all() == []


async def test_a_machine_that_does_not_freeze_is_told_of_and_the_others_go_on(bench, caplog):
    store = bench.provider.volumes
    await start(bench.provider, bench.spec(), bench.seed(X="TINY_NOFREEZE"))
    other = bench.spec("desk-bob-0", "home-bob-0")
    await start(bench.provider, other, bench.seed())
    now = store.context.clock()
    object.__setattr__(store.context, "clock", lambda: now + 3700)
    await look_after(store.context, bench.provider, memory := Memory())
    assert await store.snapshots(VOLUME) == []
    assert len(await store.snapshots("home-bob-0")) == 1
    assert f"{VOLUME}: no hourly snapshot" in caplog.text
    assert list(memory.failed_at) == [VOLUME]


@pytest.mark.skipif(os.geteuid() != 0, reason="a full file system needs root to make")
async def test_a_full_host_pauses_a_machine_that_writes_and_it_goes_on_later(bench, tmp_path):
    state = bench.settings.state
    await run("mount", "-t", "tmpfs", "-o", "size=700M,mode=711", "tmpfs", state)
    try:
        await _fill_and_free(bench, tmp_path)
    finally:
        await bench.provider.delete(MACHINE)
        await run("umount", "--lazy", state)  # this process has the database open


async def _fill_and_free(bench, tmp_path) -> None:
    store, state = bench.provider.volumes, bench.settings.state
    await write(bench, "first")
    await store.snapshot(VOLUME, Reason.HOURLY)
    # A round before and one after: the shortage between them was seen by none.
    await look_after(store.context, bench.provider, memory := Memory())
    filler = state / "filler"
    await run("dd", "if=/dev/zero", f"of={filler}", "bs=1M", check=False)  # until nothing is left
    with pytest.raises(HostError, match="MiB free"):
        await store.snapshot(VOLUME, Reason.MANUAL)
    with pytest.raises(LabError):
        await start(bench.provider, bench.spec("desk-bob-0", "home-bob-0"), bench.seed())
    writing = asyncio.create_task(_seed_again(bench))
    folder = Machine(state / "machines" / MACHINE)
    async with asyncio.timeout(LIMIT_S):
        while not await _is_paused(folder):  # noqa: ASYNC110 - QEMU pauses it when it likes
            await asyncio.sleep(0.2)
    filler.unlink()
    assert find_free_space(store.context.folder).free_mib > 0
    await look_after(store.context, bench.provider, memory)
    assert not await _is_paused(folder)
    await writing
    await bench.provider.stop(MACHINE)
    assert await content(store, tmp_path) == "second"


async def _seed_again(bench) -> None:
    await start(bench.provider, bench.spec(), bench.seed(X="TINY_WRITE_second"))


async def _is_paused(folder: Machine) -> bool:
    async with open_monitor(MACHINE, folder.qmp) as monitor:
        return await monitor.is_out_of_room()


async def run(*words: str | Path, check: bool = True) -> bytes:
    done = await asyncio.to_thread(lambda: subprocess.run(words, capture_output=True, check=False))
    assert not check or done.returncode == 0, done.stderr
    return done.stdout
