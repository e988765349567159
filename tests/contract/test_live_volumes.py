"""Volumes of machines: held by one, and the contract of `vmlab.volumes.live.LiveVolumes`."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from fakes.benches import start, start_until
from vmlab.errors import (
    GuestError,
    MachineConflictError,
    MachineNotFoundError,
    VolumeConflictError,
    VolumeNotFoundError,
)
from vmlab.model import MachineState, VolumeState
from vmlab.providers.base import Provider
from vmlab.volumes.live import LiveVolumes
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.phases import Phase
from vmlab_protocol.snapshots import Reason

NEEDS = (LiveVolumes,)
VOLUME, MACHINE = "home-ada-0", "desk-ada-0"


@pytest.fixture
def store(bench):
    return bench.provider.volumes


async def holder(store, name: str = VOLUME) -> str:
    return (await store.context.find(name)).holder


async def run(*words: str | Path) -> int:
    done = await asyncio.to_thread(lambda: subprocess.run(words, check=False))
    return done.returncode


async def ids(store, name: str = VOLUME) -> list[str]:
    return [snapshot.id for snapshot in await store.snapshots(name)]


async def test_a_start_attaches_and_a_stop_detaches(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    volume = await store.context.find(VOLUME)
    assert (volume.state, volume.holder, volume.owner) == (VolumeState.ATTACHED, MACHINE, "ada")
    assert volume.size_mib == 64
    assert volume.held_since >= volume.created > 0
    await bench.again().stop(MACHINE)
    volume = await store.context.find(VOLUME)
    assert (volume.state, volume.holder, volume.held_since) == (VolumeState.FREE, "", 0.0)


async def test_another_machine_is_refused_with_the_holders_name(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    other = bench.spec("desk-eve-0", volume=VOLUME)
    with pytest.raises(MachineConflictError, match=r"desk-eve-0: .*attached to desk-ada-0") as told:
        await start(bench.provider, other, bench.seed())
    assert "desk-ada-0" not in told.value.public.en
    assert (await bench.provider.status([MACHINE]))[MACHINE].state is MachineState.RUNNING
    assert await holder(store) == MACHINE
    await bench.provider.stop("desk-eve-0")
    assert await holder(store) == MACHINE, "the stop of another machine takes nothing from it"


@pytest.mark.boots
@pytest.mark.parametrize("last", [Phase.POWER, Phase.BOOT, Phase.MOUNTS])
async def test_a_cut_start_is_taken_over_by_the_same_machine_only(bench, store, last):
    await start_until(bench.provider, bench.spec(), bench.seed(), last)
    if last is not Phase.POWER:
        assert await holder(store) == MACHINE
        with pytest.raises(MachineConflictError, match="desk-ada-0"):
            await start(bench.again(), bench.spec("desk-eve-0", volume=VOLUME), bench.seed())
    await start(bench.again(), bench.spec(), bench.seed())
    assert await holder(store) == MACHINE


async def test_a_volume_goes_to_another_machine_after_a_stop(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.delete(MACHINE)
    await start(bench.provider, bench.spec("desk-new-0", volume=VOLUME), bench.seed())
    assert await holder(store) == "desk-new-0"


async def test_a_snapshot_of_a_running_machine(bench, store):
    provider: Provider = bench.provider
    assert isinstance(provider, LiveVolumes)
    await start(bench.provider, bench.spec(), bench.seed())
    taken = await store.snapshot(VOLUME, Reason.HOURLY)
    again = await store.snapshot(VOLUME, Reason.HOURLY)
    assert taken.id != again.id, "two in one second"
    assert await ids(store) == [taken.id, again.id]
    await store.delete_snapshot(VOLUME, taken.id)
    assert await ids(store) == [again.id]
    await bench.provider.stop(MACHINE)
    assert await ids(store) == [again.id]
    assert await run("qemu-img", "check", "-q", store.context.folder / f"{VOLUME}.qcow2") == 0


async def test_a_running_machines_volume_grows(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    await store.snapshot(VOLUME, Reason.MANUAL)
    grown = await store.grow(VOLUME, 96)
    assert (grown.size_mib, grown.needs_grow) == (96, False)
    header, _ = store.context.image(grown).read()
    assert header.size_mib == 96
    if bench.kind == "qemu":
        await bench.hear(MACHINE, "grows to 96")
    assert (await store.grow(VOLUME, 96)).size_mib == 96, "again is not a mistake"


async def test_a_volume_that_grew_while_off_grows_in_the_machine_at_its_start(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    await store.snapshot(VOLUME, Reason.MANUAL)
    await bench.provider.stop(MACHINE)
    assert (await store.grow(VOLUME, 96)).needs_grow
    await start(bench.provider, bench.spec(), bench.seed())
    if bench.kind == "qemu":
        assert not (await store.context.find(VOLUME)).needs_grow
        await bench.hear(MACHINE, "grows to 96")


async def test_a_snapshot_is_shown_and_hidden(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    first = await store.snapshot(VOLUME, Reason.MANUAL)
    second = await store.snapshot(VOLUME, Reason.MANUAL)
    for count, snapshot in enumerate((first, second), 1):
        await store.show_snapshot(VOLUME, snapshot.id)
        if bench.kind == "qemu":
            await bench.hear(MACHINE, "shows snapshot ro=1", count=count)
    await store.delete_snapshot(VOLUME, second.id)  # what is shown is a copy
    for _ in range(2):
        await store.hide_snapshot(VOLUME)
    assert not (bench.settings.state / "machines" / MACHINE / "snapshot.qcow2").exists()
    with pytest.raises(VolumeNotFoundError, match="no snapshot"):
        await store.show_snapshot(VOLUME, second.id)


async def test_a_running_machines_volume_can_be_taken_home(bench, store, tmp_path):
    await start(bench.provider, bench.spec(), bench.seed())
    await store.snapshot(VOLUME, Reason.MANUAL)
    before = await ids(store)
    await store.export(VOLUME, tmp_path / "home.raw", ExportFormat.RAW)
    assert await ids(store) == before, "the snapshot for it is gone again"
    assert await run("/sbin/e2fsck", "-fn", tmp_path / "home.raw") == 0


async def test_what_a_running_machine_has_is_not_restored_nor_deleted(bench, store):
    await start(bench.provider, bench.spec(), bench.seed())
    taken = await store.snapshot(VOLUME, Reason.MANUAL)
    with pytest.raises(VolumeConflictError, match=f"attached to {MACHINE}"):
        await store.restore(VOLUME, taken.id)
    with pytest.raises(VolumeConflictError, match=f"attached to {MACHINE}"):
        await store.delete(VOLUME)
    assert await ids(store) == [taken.id]


async def test_live_work_needs_a_machine_that_runs(bench):
    for call in (
        bench.provider.snapshot_volume(MACHINE, "manual-20260101T000000Z"),
        bench.provider.delete_snapshot(MACHINE, "manual-20260101T000000Z"),
        bench.provider.grow_volume(MACHINE, 128),
        bench.provider.show_snapshot(MACHINE, "manual-20260101T000000Z"),
        bench.provider.hide_snapshot(MACHINE),
        bench.provider.resume_paused(MACHINE),
    ):
        with pytest.raises(MachineNotFoundError, match=MACHINE):
            await call
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.stop(MACHINE)
    with pytest.raises(MachineConflictError, match="must run"):
        await bench.provider.snapshot_volume(MACHINE, "manual-20260101T000000Z")


async def test_a_machine_that_is_not_paused_is_left_alone(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    assert await bench.provider.resume_paused(MACHINE) is False


async def test_a_machine_in_the_middle_of_its_start_can_be_asked_whether_it_is_paused(bench):
    await start_until(bench.provider, bench.spec(), bench.seed(), Phase.IDENTITY)
    (status,) = (await bench.provider.status([MACHINE])).values()
    assert status.state is MachineState.STARTING
    assert await bench.provider.resume_paused(MACHINE) is False


# -- faults of the guest's, so with real machines only ------------------------------------------


@pytest.fixture
def real(bench):
    if bench.kind != "qemu":
        pytest.skip("there is no guest")
    return bench


@pytest.mark.parametrize(
    ("fault", "words"),
    [("TINY_NOFREEZE", "asked not to freeze"), ("TINY_SHORT", "did not stay frozen")],
)
async def test_without_a_frozen_guest_there_is_no_snapshot(real, store, fault, words):
    await start(real.provider, real.spec(), real.seed(X=fault))
    with pytest.raises(GuestError, match=words):
        await store.snapshot(VOLUME, Reason.HOURLY)
    assert await ids(store) == []


async def test_a_cancelled_snapshot_leaves_none(real, store):
    await start(real.provider, real.spec(), real.seed(X="TINY_DEAF"))
    task = asyncio.create_task(store.snapshot(VOLUME, Reason.HOURLY))
    await asyncio.sleep(1)  # into the wait for an answer that never comes
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ids(store) == []
    async with store.context.using(VOLUME, "a test"):
        pass  # nobody keeps its lock


async def test_a_snapshot_that_cannot_be_shown_is_taken_away_again(real, store):
    await start(real.provider, real.spec(), real.seed(X="TINY_NOSHOW"))
    taken = await store.snapshot(VOLUME, Reason.MANUAL)
    with pytest.raises(GuestError, match="asked not to show"):
        await store.show_snapshot(VOLUME, taken.id)
    assert not (real.settings.state / "machines" / MACHINE / "snapshot.qcow2").exists()


async def test_the_disk_formats_lock_refuses_what_the_registry_would_allow(real, store):
    await start(real.provider, real.spec(), real.seed())
    await store.context.ask(lambda registry: registry.release(MACHINE))  # the registry is wrong
    other = real.spec("desk-eve-0", volume=VOLUME)
    with pytest.raises(MachineConflictError, match="attached to another machine"):
        await start(real.provider, other, real.seed())
    await real.provider.stop("desk-eve-0")
    for refused in (store.delete(VOLUME), store.snapshot(VOLUME, Reason.MANUAL)):
        with pytest.raises(VolumeConflictError, match="open in another process"):
            await refused
