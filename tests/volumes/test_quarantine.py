"""Deleted volumes: quarantine, the way back, and the end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from vmlab.errors import ConfigError, VolumeConflictError, VolumeError, VolumeNotFoundError
from vmlab.model import VolumeSpec, VolumeState
from vmlab.volumes.locks import forget_locks, hold_volume
from vmlab_protocol.snapshots import Reason
from volumes.conftest import holds, make, run, spec, write

DAY = 86400.0


async def test_deleting_can_be_undone_until_it_is_purged(store, clock, caplog):
    path = await make(store)
    await write(path, 5)
    gone = await store.delete("home-ada")
    assert not path.exists()
    assert gone.state is VolumeState.QUARANTINED
    assert gone.purge_after == clock.now + 14 * DAY
    clock.now += 14 * DAY - 1
    assert await store.purge() == []
    assert (await store.undelete("home-ada")).owner == "ada"
    assert await holds(path, 5)
    gone = await store.delete("home-ada", days=2)
    clock.now += 2 * DAY
    caplog.set_level("INFO")
    assert [volume.name for volume in await store.purge()] == [gone.name]
    assert f"{gone.name}: removed for good" in caplog.text
    assert "'ada'" in caplog.text
    assert await store.all() == []
    assert list(store.context.quarantine.iterdir()) == []
    with pytest.raises(VolumeNotFoundError):
        await store.undelete("home-ada")


async def test_a_name_in_quarantine_is_free_for_a_new_volume(store, clock):
    path = await make(store)
    await write(path, 1)
    first = await store.delete("home-ada")
    await make(store)
    await write(path, 2)
    second = await store.delete("home-ada")
    assert first.name != second.name, "in the same second"
    await make(store)
    with pytest.raises(VolumeConflictError, match="cannot come back") as told:
        await store.undelete("home-ada")
    assert "vmlab volume delete home-ada" in told.value.hint
    await store.delete("home-ada")
    await store.undelete(first.name)
    assert await holds(path, 1)
    assert len(await store.all()) == 3


async def test_nothing_is_done_with_a_deleted_volume(store):
    await make(store)
    gone = await store.delete("home-ada")
    for act in (
        store.snapshot(gone.name, Reason.MANUAL),
        store.grow(gone.name, 128),
        store.delete(gone.name),
    ):
        with pytest.raises(VolumeConflictError, match="in quarantine") as told:
            await act
        assert f"vmlab volume undelete {gone.name}" in told.value.hint
    await make(store, "home-bob")
    with pytest.raises(VolumeConflictError, match="home-bob: it is not deleted"):
        await store.undelete("home-bob")


@pytest.mark.parametrize("days", [0, -1, 3650.5, float("inf"), float("nan")])
async def test_days_out_of_range_delete_nothing(store, days):
    path = await make(store)
    with pytest.raises(ConfigError, match=f"{days:g} days of quarantine") as told:
        await store.delete("home-ada", days)
    assert "more than 0, up to 3650" in told.value.hint
    assert path.exists()
    assert (await store.delete("home-ada", 3650)).name != "home-ada"


async def test_what_cannot_come_back_stays_deleted(store, clock):
    """Its file is gone, or a larger one than the trainee had."""
    path = await make(store)
    gone = await store.delete("home-ada")
    kept = store.context.path(gone)
    away = kept.rename(kept.with_name("away"))
    with pytest.raises(VolumeError, match="is gone, so the volume cannot come back") as told:
        await store.undelete("home-ada")
    assert "vmlab volume" not in told.value.hint, "all commands but undelete refuse a deleted one"
    away.rename(kept)
    await run("qemu-img", "resize", "-q", "-f", "qcow2", kept, "3T")
    with pytest.raises(VolumeError, match="3145728 MiB") as told:
        await store.undelete("home-ada")
    assert told.value.hint == "if that is intended: raise [volume] total in lab.toml"
    assert kept.exists()
    assert not path.exists()
    assert [volume.state for volume in await store.all()] == [VolumeState.QUARANTINED]
    kept.unlink()
    clock.now += 15 * DAY
    assert [volume.name for volume in await store.purge()] == [gone.name]
    assert await store.all() == []


async def test_one_that_came_back_while_others_were_purged_is_not_removed(store, clock):
    """The list that is gone through was made before."""
    path = await make(store)
    await write(path, 3)
    gone = await store.delete("home-ada", days=1)
    clock.now += DAY
    async with hold_volume(store.context.locks, "home-ada", "bringing it back"):
        assert await store.purge() == []
    await store.undelete(gone.name)
    assert await store.purge() == []
    assert await holds(path, 3)


@pytest.mark.parametrize("back", [False, True])
async def test_a_deletion_that_was_cut_is_finished(store, back):
    path = await make(store)
    await write(path, 7)
    gone = await store.delete("home-ada")
    if back:  # the file is back, its entry is not
        store.context.path(gone).rename(path)
    else:  # the file went, its entry did not
        await store.context.ask(
            lambda registry: registry.change(
                gone.name, name="home-ada", quarantined_at=None, purge_after=None
            )
        )
    (volume,) = await store.all()
    assert volume.owner == "ada"
    assert volume.name == ("home-ada" if back else gone.name)
    assert (volume.state is VolumeState.QUARANTINED) is not back


async def test_a_start_after_a_deletion_that_was_cut_makes_a_new_volume(store):
    await make(store)
    gone = await store.delete("home-ada")
    await store.context.ask(
        lambda registry: registry.change(
            gone.name, name="home-ada", quarantined_at=None, purge_after=None
        )
    )
    async with store.attach(spec(), VolumeSpec("home-ada", 64)) as attached:
        assert attached.is_new
    assert {volume.name for volume in await store.all()} == {"home-ada", gone.name}


async def test_a_volume_that_is_gone_for_ever_leaves_no_lock(store, clock):
    locks = store.context.locks
    await make(store)
    await store.delete("home-ada")
    path = await make(store)
    await store.delete("home-ada")
    await make(store)
    clock.now += 15 * DAY
    assert len(await store.purge()) == 2
    assert (locks / "home-ada.lock").exists(), "there is another volume of this name"
    await store.delete("home-ada")
    clock.now += 15 * DAY
    await store.purge()
    assert list(locks.iterdir()) == []
    path = await make(store)
    path.unlink()
    assert await store.delete("home-ada") is None
    assert list(locks.iterdir()) == []


async def test_who_waited_for_a_lock_that_was_forgotten_has_the_new_one(tmp_path):
    """Two would hold one volume: one the file that is gone, one the file that is there."""
    async with hold_volume(tmp_path, "home-ada", "purging"):
        waiting = asyncio.create_task(_hold_long(tmp_path))
        await asyncio.sleep(0)  # it has the old file open now
        forget_locks(tmp_path, "home-ada")
    async with asyncio.timeout(60):
        held = await waiting
    async with held:
        with pytest.raises(VolumeConflictError, match="waiting"):
            await hold_volume(tmp_path, "home-ada", "another").__aenter__()


async def _hold_long(folder):
    held = AsyncExitStack()
    await held.enter_async_context(hold_volume(folder, "home-ada", "waiting", wait_s=60))
    return held
