"""A round of care for volumes: what fails for one of them does not affect the others."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from fakes.benches import open_bench, start
from vmlab.providers.fake import FakeProvider
from vmlab.upkeep.volumes import Memory, look_after
from vmlab.volumes import repair
from vmlab.volumes.model import is_volume_name
from vmlab_protocol.snapshots import Reason
from volumes.conftest import make

HOURS = 7200.0
NAMES = ("ada", "bob", "eve")


class Hostile(FakeProvider):
    """Whatever is asked of the machine of eve fails of something that nobody thought of."""

    async def snapshot_volume(self, machine: str, snapshot: str) -> None:
        if "eve" in machine:
            float(10**400)
        await super().snapshot_volume(machine, snapshot)

    async def resume_paused(self, machine: str) -> bool:
        if "eve" in machine:
            raise RecursionError("too deep")
        return await super().resume_paused(machine)


@pytest.mark.attack("jobs.apart", "a snapshot, a resume and a volume's file are damaged")
async def test_everybody_else_has_a_snapshot(tried, caplog):
    async with open_bench("fake", None, None) as bench:
        provider = bench.another(Hostile)
        ground = provider.volumes.context
        for name in NAMES:
            spec = bench.spec(f"desk-{name}-0", f"home-{name}-0")
            await start(provider, spec, bench.seed())
        (ground.folder / "home-bob-0.qcow2").write_bytes(b"\xff" * 512)
        memory = Memory()
        now = ground.clock() + HOURS
        later = replace(ground, clock=lambda: now)
        await look_after(later, provider, memory)
        taken = await provider.volumes.snapshots("home-ada-0")
        assert [snapshot.reason for snapshot in taken] == [Reason.HOURLY]
        assert await provider.volumes.snapshots("home-eve-0") == []
        assert list(memory.failed_at) == ["home-eve-0"]
        assert "home-eve-0: no hourly snapshot" in caplog.text
        assert "home-bob-0: its snapshots could not be listed" in caplog.text
    tried(3)


async def test_one_that_cannot_be_purged_keeps_no_other(store, clock, caplog):
    for name in ("home-ada", "home-eve"):
        await make(store, name)
    gone = [await store.delete(name, days=1) for name in ("home-ada", "home-eve")]
    stuck = store.context.path(gone[0])
    stuck.unlink()
    stuck.mkdir()
    clock.now += HOURS * 24
    assert [volume.name for volume in await store.purge()] == [gone[1].name]
    assert f"{gone[0].name}: not removed, though its quarantine is over" in caplog.text


async def test_strange_files_in_the_making_keep_nothing_from_being_settled(store, caplog):
    work = store.context.work
    work.mkdir(exist_ok=True)
    for name in ("9" * 200 + "-x", "nobody"):
        (work / name).touch()
    (work / "0-folder").mkdir()
    (work / f"{os.getpid()}-mine").touch()
    path = await make(store)
    path.rename(path.with_name("home-new.qcow2"))
    assert is_volume_name("home-new")
    await repair.settle(store.context)
    assert {volume.name for volume in await store.all()} >= {"home-new"}
    assert {left.name for left in work.iterdir()} == {"0-folder", f"{os.getpid()}-mine"}
    assert "0-folder: not removed" in caplog.text
