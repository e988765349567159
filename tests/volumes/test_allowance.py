"""A trainee against the limit of what they may take: real volumes, real machine folders."""

from __future__ import annotations

import json
import os
import time

import pytest

from vmlab.errors import ConfigError, VolumeConflictError, VolumeError
from vmlab.model import Allowance, DiskKind
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.aside import list_aside
from vmlab.providers.qemu.machine.disks import keep_root_disk, list_old_disks
from vmlab.providers.qemu.machine.machine import Machine, Record
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.settings import ProviderSettings
from vmlab.volumes.accounting import find_uses
from vmlab.volumes.making_room import keep_within
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.snapshots import Reason
from volumes.conftest import check, holds, make, run, vmlab_json, write

SYSTEM_MIB, SIZE_MIB = 16, 64
HOME_MIB, HOME_AT_MIB = 40, 20
"""What is rewritten each time: what is behind the empty file system's own data."""


@pytest.fixture
def provider(state, clock):
    """QEMU's own provider on this state folder; no machine of it runs."""
    image = state / "images" / "tiny" / "1"
    image.mkdir(parents=True)
    fact = {"bytes": 0, "sha256": ""}
    manifest = {
        "name": "tiny", "version": "1", "created": 0, "kernel_args": "", "packages": 0,
        "build_s": 0, "disk_size_mib": SYSTEM_MIB,
        "files": dict.fromkeys(("disk.qcow2", "vmlinuz", "initrd"), fact),
    }  # fmt: skip
    (image / "image.json").write_text(json.dumps(manifest))
    made = QemuProvider(ProviderSettings("qemu", state, state, allowance=Allowance(SIZE_MIB)))
    object.__setattr__(made.volumes.context, "clock", clock)
    made.volumes.context.folder.mkdir(mode=0o711)
    return made


@pytest.fixture
def store(provider):
    return provider.volumes


def limit(store, total_mib: int) -> None:
    object.__setattr__(store.context, "allowance", Allowance(SIZE_MIB, total_mib))


def work_in_machine(state, name: str = "desk-ada", owner: str = "ada") -> Machine:
    """A machine that was used until its system disk was full."""
    folder = Machine(state / "machines" / name)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.path.parent.chmod(0o711)
    folder.write(Record(name, owner, "tiny", "1", used=True))
    folder.root_disk.write_bytes(os.urandom(SYSTEM_MIB * 2**20))
    return folder


def on_disk_mib(state) -> int:
    """All that is there of the only trainee."""
    folders = [state / name for name in ("volumes", "machines", "aside")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks for path in files) * 512 // 2**20


async def ids(store) -> list[str]:
    return [snapshot.id for snapshot in await store.snapshots("home-ada")]


@pytest.mark.attack("volumes.one-limit", "fills, snapshots, renews and takes home, in a loop")
async def test_who_fills_snapshots_and_renews_in_a_loop_stays_within_the_limit(
    store, provider, state, clock, tried, caplog
):
    path = await make(store, size_mib=SIZE_MIB)
    work_in_machine(state)
    (use,) = (await store.uses()).values()
    assert use.limit_mib == 17 + 4 * 65
    refused, most = [], 0
    for turn in range(9):
        await write(path, turn + 1, HOME_MIB, HOME_AT_MIB)
        clock.now += 3600
        for reason in (Reason.HOURLY, Reason.MANUAL):
            try:
                await store.snapshot("home-ada", reason)
            except VolumeConflictError as error:
                refused.append(error)
        most = max(most, on_disk_mib(state))
        await provider.set_aside("desk-ada")
        work_in_machine(state)
        most = max(most, on_disk_mib(state))
        assert on_disk_mib(state) <= use.limit_mib
        assert await holds(path, turn + 1, HOME_MIB, HOME_AT_MIB), "nothing of the home is lost"
    assert most > use.limit_mib - 3 * SIZE_MIB, "the loop came near the limit"
    assert refused, "the loop came to the limit"
    assert f"ada may take {use.limit_mib} MiB of the host's disk in all" in refused[0].message
    assert "raise [volume] total" in refused[0].hint
    assert "hourly-" in caplog.text
    assert list_aside(state / "aside") == [], "what is kept for diagnosis goes first"
    await check(path)
    tried(27)


async def test_a_state_that_was_asked_for_stays_and_one_that_is_wanted_back_does_not_go(
    store, clock
):
    path = await make(store, size_mib=SIZE_MIB)
    taken = []
    for turn, reason in enumerate((Reason.HOURLY, Reason.HOURLY, Reason.MANUAL)):
        await write(path, turn + 1, HOME_MIB, HOME_AT_MIB)
        clock.now += 3600
        taken.append((await store.snapshot("home-ada", reason)).id)
    await write(path, 9, HOME_MIB, HOME_AT_MIB)
    limit(store, 17 + 65 + 130)  # three states beside the present one, and no fourth
    done = await store.restore("home-ada", taken[0])
    assert await holds(path, 1, HOME_MIB, HOME_AT_MIB)
    assert await ids(store) == [taken[0], done.kept.id, taken[2]], "the other hourly one went"
    await check(path)


async def test_a_copy_counts_as_long_as_it_is_there(store, state):
    path = await make(store, size_mib=SIZE_MIB)
    await write(path, 1, HOME_MIB, HOME_AT_MIB)
    async with store.exported("home-ada", ExportFormat.QCOW2) as (copy, _):
        (use,) = (await store.uses()).values()
        (part,) = (part for part in use.parts if part.kind is DiskKind.COPY)
        assert HOME_MIB <= part.taken_mib <= part.most_mib
        assert copy.parent == state / "volumes" / "work"
    assert DiskKind.COPY not in {part.kind for part in (await store.uses())["ada"].parts}
    limit(store, 17 + 65 + HOME_MIB + 20)  # a snapshot would fit, a copy beside it does not
    with pytest.raises(VolumeConflictError, match="may take"):
        async with store.exported("home-ada", ExportFormat.QCOW2):
            pass
    assert await ids(store) == []
    await store.snapshot("home-ada", Reason.MANUAL)
    await store.export("home-ada", state / "home.qcow2", ExportFormat.QCOW2)  # the operator's


async def test_machines_set_aside_and_older_disks_are_kept_as_far_as_there_is_room(
    store, provider, state
):
    await make(store, size_mib=SIZE_MIB)
    limit(store, 17 + 65 + 2 * (SYSTEM_MIB + 1) + 2)
    kept = []
    for _ in range(3):
        work_in_machine(state)
        kept.append(await provider.set_aside("desk-ada"))
    assert {old.name for old in list_aside(state / "aside")} == set(kept[1:])
    folder = work_in_machine(state)
    disk = keep_root_disk(folder, "0")
    disk = disk.rename(disk.with_name(f"root-0-{int(time.time()) + 60}.qcow2"))  # the newest
    assert await store.keep_put_away("ada", "desk-ada", disk)
    assert {old.name for old in list_aside(state / "aside")} == {kept[2]}
    assert len(list_old_disks(folder)) == 1
    limit(store, 17 + 65)
    work_in_machine(state)
    assert await provider.set_aside("desk-ada") == "", "there is no room for any"
    assert list_aside(state / "aside") == []
    assert not folder.path.exists()


async def test_a_machine_whose_record_is_damaged_still_counts(store, provider, state):
    from vmlab.names import machine_name

    name = machine_name("ada")
    await make(store, size_mib=SIZE_MIB)
    limit(store, 17 + 65)
    folder = work_in_machine(state, name)
    folder.checkpoint.write_text("{")
    assert await provider.set_aside(name) == ""
    assert list_aside(state / "aside") == []


async def test_a_limit_that_was_lowered_takes_what_may_go_and_tells_of_the_rest(
    store, provider, state, clock
):
    path = await make(store, size_mib=SIZE_MIB)
    for turn, reason in enumerate((Reason.MANUAL, Reason.HOURLY, Reason.MANUAL)):
        await write(path, turn + 1, HOME_MIB, HOME_AT_MIB)
        clock.now += 3600
        await store.snapshot("home-ada", reason)
    await write(path, 9, HOME_MIB, HOME_AT_MIB)
    work_in_machine(state)
    await provider.set_aside("desk-ada")
    volumes = await store.all()
    assert await keep_within(store.context, volumes) == set()
    assert (len(await ids(store)), len(list_aside(state / "aside"))) == (3, 1)
    limit(store, 17 + 65)
    assert await keep_within(store.context, volumes) == {"ada"}
    assert list_aside(state / "aside") == []
    assert [snapshot[:6] for snapshot in await ids(store)] == ["manual"] * 2
    assert await holds(path, 9, HOME_MIB, HOME_AT_MIB)
    await check(path)


async def test_a_deleted_volume_counts_until_it_is_purged(store):
    path = await make(store, size_mib=SIZE_MIB)
    await write(path, 1, HOME_MIB, HOME_AT_MIB)
    await store.delete("home-ada")
    await make(store, size_mib=SIZE_MIB)
    parts = {part.kind: part.taken_mib for part in (await find_uses(store.context))["ada"].parts}
    assert parts[DiskKind.DELETED] >= HOME_MIB


async def test_a_volume_grows_within_the_limit_only(store):
    await make(store, size_mib=SIZE_MIB)
    limit(store, 17 + 65 + 40)
    with pytest.raises(ConfigError, match="growing home-ada to 128 MiB: a trainee") as told:
        await store.grow("home-ada", 128)
    assert "[volume] total" in told.value.hint
    assert (await store.grow("home-ada", 96)).size_mib == 96


async def test_a_file_that_became_larger_by_itself_is_not_taken_for_a_volume_s_size(store):
    path = await make(store, size_mib=SIZE_MIB)
    await run("qemu-img", "resize", "-q", "-f", "qcow2", path, "6T")  # as its QEMU could
    with pytest.raises(VolumeError, match="6291456 MiB, but it was made with 64 MiB"):
        await make(store, size_mib=SIZE_MIB)
    await store.delete("home-ada")
    with pytest.raises(VolumeError, match="but it was made with"):
        await store.undelete("home-ada")


def test_the_command_line_tells_what_each_trainee_takes(state):
    import asyncio

    from vmlab.volumes.store import VolumeStore
    from volumes.conftest import Machines

    made = VolumeStore(Paths(state, state), Machines())
    made.context.folder.mkdir(mode=0o711)
    path = asyncio.run(make(made, size_mib=SIZE_MIB))
    asyncio.run(write(path, 1, HOME_MIB, HOME_AT_MIB))
    (row,) = vmlab_json(state, "list")["volumes"]
    shown = vmlab_json(state, "show", "home-ada")
    for found in (row, shown):
        assert HOME_MIB <= found["owner_mib"] < found["owner_limit_mib"] == 1 + 4 * (1024 + 1 + 1)
