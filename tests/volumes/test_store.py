"""What may be done with volumes, without machines."""

from __future__ import annotations

import asyncio
import os
import struct
from dataclasses import replace

import pytest

from vmlab.errors import (
    ConfigError,
    HostError,
    VolumeConflictError,
    VolumeError,
    VolumeNotFoundError,
)
from vmlab.model import VolumeSpec, VolumeState
from vmlab.system.disk_space import FreeSpace
from vmlab.volumes import making_room
from vmlab.volumes.locks import hold_volume, read_snapshots
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.snapshots import Reason
from volumes.conftest import check, holds, make, run, spec, write


async def ids(store, name: str = "home-ada") -> list[str]:
    return [snapshot.id for snapshot in await store.snapshots(name)]


async def test_a_volume_is_made_once_and_is_the_trainees(store):
    path = await make(store)
    inode = path.stat().st_ino
    assert await make(store) == path
    assert path.stat().st_ino == inode
    assert path.stat().st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        assert path.stat().st_uid != 0, "no tool may need to be root for it"
    assert list(store.context.work.iterdir()) == []


async def test_a_restore_brings_back_all_and_keeps_what_it_replaced(store):
    path = await make(store)
    await write(path, 1)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    await write(path, 2)
    done = await store.restore("home-ada", first.id)
    assert done.snapshot == first
    assert done.kept.reason is Reason.KEPT
    assert await holds(path, 1)
    await store.restore("home-ada", done.kept.id)
    assert await holds(path, 2)
    assert len(await ids(store)) == 3
    await check(path)


def leak(path) -> None:
    """Take a cluster that nothing uses, as a snapshot that was cut does (QEMU, interop/qcow2)."""
    cluster = 65536
    with path.open("r+b") as file:
        file.seek(48)
        (table,) = struct.unpack(">Q", file.read(8))
        file.seek(table)
        (block,) = struct.unpack(">Q", file.read(8))
        index = -(-path.stat().st_size // cluster)
        file.seek(block + 2 * index)
        file.write(struct.pack(">H", 1))
        file.truncate((index + 1) * cluster)


async def test_what_a_cut_snapshot_leaked_is_given_back_at_the_next_start(store):
    path = await make(store)
    await write(path, 7)
    leak(path)
    with pytest.raises(AssertionError, match="Leaked"):
        await check(path)
    async with store.attach(spec(), VolumeSpec("home-ada", 64)):
        await check(path)
        assert await holds(path, 7)


async def test_a_restore_of_a_smaller_state_keeps_the_size(store):
    path = await make(store)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    await store.grow("home-ada", 128)
    await write(path, 3, at_mib=100)
    done = await store.restore("home-ada", first.id)
    assert (done.size_mib, done.kept.size_mib) == (128, 128)
    volume = await store.find("home-ada")
    assert (volume.size_mib, volume.needs_grow) == (128, True)
    assert await holds(path, 0, at_mib=100), "what is beyond the old size is empty"
    back = await store.restore("home-ada", done.kept.id)
    assert back.size_mib == 128
    assert await holds(path, 3, at_mib=100)
    await check(path)


async def test_of_two_restores_at_once_one_is_refused_and_says_why(store):
    await make(store)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    results = await asyncio.gather(
        *(store.restore("home-ada", first.id) for _ in range(2)), return_exceptions=True
    )
    (refused,) = (result for result in results if isinstance(result, Exception))
    assert isinstance(refused, VolumeConflictError)
    assert f"a restore of {first.id}" in refused.message
    assert f"process {os.getpid()}" in refused.message
    assert len(await ids(store)) == 2, "one was kept, once"


@pytest.mark.parametrize("wish", ["manual-20200101T000000Z", "1", "", "../x", "-a", "\x1b[31m"])
async def test_a_snapshot_that_does_not_exist(store, wish):
    path = await make(store)
    await store.snapshot("home-ada", Reason.MANUAL)
    before = path.read_bytes()
    for act in (store.restore, store.delete_snapshot, store.show_snapshot):
        with pytest.raises(VolumeNotFoundError, match="home-ada: it has no snapshot") as told:
            await act("home-ada", wish)
        assert "\x1b" not in told.value.message
    assert path.read_bytes() == before


async def test_snapshots_by_hand_are_limited(store, clock):
    await make(store)
    for _ in range(10):
        await store.snapshot("home-ada", Reason.MANUAL)
        clock.now += 1
    with pytest.raises(VolumeConflictError, match="10 snapshots taken by hand") as told:
        await store.snapshot("home-ada", Reason.MANUAL)
    assert f"--delete {(await ids(store))[0]}" in told.value.hint


async def test_what_runs_with_a_volume_is_named(store, machines):
    await make(store)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    async with store.attach(spec(), VolumeSpec("home-ada", 64)):
        pass
    machines.running.add("desk-ada")
    for act in (store.delete("home-ada"), store.restore("home-ada", first.id)):
        with pytest.raises(VolumeConflictError, match="attached to desk-ada"):
            await act
    with pytest.raises(VolumeConflictError, match="stopped machines"):
        await store.snapshot("home-ada", Reason.MANUAL)
    machines.running.clear()  # it crashed, and nobody stopped it
    assert (await store.restore("home-ada", first.id)).snapshot == first
    assert (await store.find("home-ada")).state is VolumeState.FREE


async def test_nothing_is_done_with_a_volume_while_its_machine_starts(store):
    await make(store)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    async with store.attach(spec(), VolumeSpec("home-ada", 64)):
        with pytest.raises(VolumeConflictError, match="a start of desk-ada"):
            await store.restore("home-ada", first.id)
        with pytest.raises(VolumeConflictError, match="a start of desk-ada"):
            await store.delete("home-ada")


async def test_a_file_that_is_gone_is_no_empty_volume(store):
    path = await make(store)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(VolumeError, match="is gone, though nobody deleted") as told:
        async with store.attach(spec(), VolumeSpec("home-ada", 64)):
            pass
    assert "vmlab volume delete home-ada" in told.value.hint
    path.with_suffix(".away").rename(path)
    await make(store)
    path.unlink()
    assert await store.delete("home-ada") is None
    assert await store.all() == []


async def test_a_damaged_file_is_named_and_hides_no_other(store):
    path = await make(store)
    await make(store, "home-bob")
    path.write_bytes(b"rubbish")
    with pytest.raises(VolumeError, match=r"home-ada.*cannot be read"):
        await store.snapshots("home-ada")
    assert [volume.name for volume in await store.all()] == ["home-ada", "home-bob"]


async def test_a_file_of_an_older_vmlab_is_taken_in_and_gets_its_owner(store):
    path = await make(store)
    await store.context.ask(lambda registry: registry.remove("home-ada"))
    (volume,) = await store.all()
    assert (volume.name, volume.owner, volume.size_mib) == ("home-ada", "", 64)
    async with store.attach(spec(), VolumeSpec("home-ada", 999)) as attached:
        assert not attached.is_new
        assert attached.path == path
        assert (attached.volume.owner, attached.volume.size_mib) == ("ada", 64)


# -- sizes ---------------------------------------------------------------------------------------


async def test_sizes_that_are_refused_change_nothing(store):
    path = await make(store)
    before = path.read_bytes()
    for size in (0, -1, 63, 2**40):
        with pytest.raises(ConfigError, match="it has 64 MiB and cannot be given"):
            await store.grow("home-ada", size)
    with pytest.raises(HostError, match=r"MiB free, growing home-ada to 4194304 MiB needs"):
        await store.grow("home-ada", 4096 * 1024)
    assert path.read_bytes() == before
    assert (await store.find("home-ada")).size_mib == 64


async def test_a_growth_that_was_cut_is_finished_by_the_next_start(store):
    path = await make(store)
    await store.context.ask(lambda registry: registry.change("home-ada", size_mib=128))
    async with store.attach(spec(), VolumeSpec("home-ada", 64)) as attached:
        assert attached.volume.needs_grow
    assert store.context.image(attached.volume).read()[0].size_mib == 128
    await run("qemu-img", "resize", "-q", "-f", "qcow2", path, "256M")  # by hand
    async with store.attach(spec(), VolumeSpec("home-ada", 64)) as attached:
        assert attached.volume.size_mib == 256


async def test_without_room_nothing_begins(store, monkeypatch, tmp_path):
    path = await make(store)
    await store.snapshot("home-ada", Reason.MANUAL)
    full = FreeSpace(store.context.folder, 10_000, 500)
    for module in ("snapshots", "sizes", "transfer", "importing", "attachment"):
        monkeypatch.setattr(f"vmlab.volumes.{module}.find_free_space", lambda _: full)
    before = path.read_bytes()
    first = (await ids(store))[0]
    for act in (
        store.snapshot("home-ada", Reason.MANUAL),
        store.restore("home-ada", first),
        store.grow("home-ada", 65),
        store.export("home-ada", tmp_path / "x.raw", ExportFormat.RAW),
        make(store, "home-new"),
    ):
        with pytest.raises(HostError, match="500 MiB free"):
            await act
    assert path.read_bytes() == before
    await store.delete_snapshot("home-ada", first)  # what frees room goes on


async def test_the_oldest_hourly_ones_go_first_when_room_is_short(store, clock, monkeypatch):
    for name in ("home-ada", "home-bob"):
        await make(store, name)
    await store.snapshot("home-ada", Reason.MANUAL)
    for name in ("home-bob", "home-ada", "home-bob"):
        clock.now += 3600
        await store.snapshot(name, Reason.HOURLY)
    free = iter([900, 950, 1100])
    monkeypatch.setattr(making_room, "find_free_space", lambda f: FreeSpace(f, 10_000, next(free)))
    gone = await making_room.free_hourly(store.context, await store.all())
    assert len(gone) == 2
    assert gone[0].startswith("home-bob/hourly-")
    assert gone[1].startswith("home-ada/hourly-")
    assert [s.reason for s in await store.snapshots("home-ada")] == [Reason.MANUAL]


async def test_a_snapshot_that_is_read_is_not_deleted(store):
    await make(store)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    with read_snapshots(store.context.locks, "home-ada"):
        for act in (store.delete_snapshot("home-ada", first.id), store.delete("home-ada")):
            with pytest.raises(VolumeConflictError, match="is being read"):
                await act
        assert (await store.restore("home-ada", first.id)).snapshot == first, "reads go on"
    await store.delete_snapshot("home-ada", first.id)


async def test_a_lock_waits_for_another_operation(store):
    folder = store.context.locks
    async with hold_volume(folder, "home-a", "first"):
        waiting = asyncio.create_task(_take(folder))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting == "second"


async def _take(folder) -> str:
    async with hold_volume(folder, "home-a", "second", wait_s=10):
        return "second"


async def test_two_hundred_volumes_are_listed_and_thinned(store, clock, state):
    path = await make(store)
    for hour in range(30):
        clock.now += 3600 * (1 if hour else 24)
        await store.snapshot("home-ada", Reason.HOURLY)
    content = path.read_bytes()
    user = store.context.find_user()
    for number in range(1, 200):
        other = path.with_name(f"home-{number}.qcow2")
        other.write_bytes(content)
        user.give(other)
    volumes = await store.all()
    assert len(volumes) == 200
    found = [await store.snapshots(volume.name) for volume in volumes]
    assert {len(snapshots) for snapshots in found} == {30}
    gone = [await store.thin(volume.name) for volume in volumes[:5]]
    assert {len(snapshots) for snapshots in gone} == {30 - 24}
    assert [await store.thin(volume.name) for volume in volumes[:5]] == [[]] * 5
    await check(path)


async def test_what_is_read_is_what_qemu_img_says(store):
    import json

    path = await make(store)
    for reason in Reason:
        await store.snapshot("home-ada", reason)
    await store.grow("home-ada", 96)
    await run("qemu-img", "snapshot", "-q", "-c", "somebody-elses", path)
    told = json.loads(await run("qemu-img", "info", "--output=json", path))
    header, found = store.context.image(await store.find("home-ada")).read()
    assert header.size_bytes == told["virtual-size"]
    assert header.snapshots == len(told["snapshots"]) == 5
    names = {entry["name"] for entry in told["snapshots"]}
    assert {snapshot.id for snapshot in found} == names - {"somebody-elses"}
    assert {snapshot.size_mib for snapshot in found} == {64}
    assert replace(found[0], size_mib=0).taken == store.context.clock()
