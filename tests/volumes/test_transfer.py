"""Taking volumes home, and bringing files in: also those that were made to harm."""

from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path

import pytest

from vmlab.errors import ConfigError, HostError, VolumeConflictError, VolumeError
from vmlab.system.disk_space import FreeSpace
from vmlab.volumes.importing import Import, ImportFormat
from vmlab.volumes.locks import read_snapshots
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.snapshots import Reason
from volumes.conftest import check, holds, make, run, write


async def test_a_copy_in_every_format_is_the_volume(store, tmp_path):
    path = await make(store)
    await write(path, 1)
    first = await store.snapshot("home-ada", Reason.MANUAL)
    await write(path, 2)
    for form in ExportFormat:
        for snapshot, pattern in (("", 2), (first.id, 1)):
            target = tmp_path / f"{pattern}.{form}"
            await store.export("home-ada", target, form, snapshot)
            raw = tmp_path / "raw"
            await run("qemu-img", "convert", "-f", form, "-O", "raw", target, raw)
            assert raw.read_bytes()[20 * 2**20 : 21 * 2**20] == bytes([pattern]) * 2**20
            await run("/sbin/e2fsck", "-fn", raw)
            assert (target.stat().st_uid, target.stat().st_mode & 0o777) == (os.geteuid(), 0o600)
    assert [s.id for s in await store.snapshots("home-ada")] == [first.id]
    assert list(store.context.work.iterdir()) == []
    await check(path)


async def test_a_copy_replaces_no_file(store, tmp_path):
    await make(store)
    target = tmp_path / "home.qcow2"
    target.write_text("precious")
    with pytest.raises(HostError, match="exists already"):
        await store.export("home-ada", target, ExportFormat.QCOW2)
    assert target.read_text() == "precious"
    (tmp_path / "link.raw").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="exists already"):
        await store.export("home-ada", tmp_path / "link.raw", ExportFormat.RAW)
    with pytest.raises(HostError, match="cannot be written"):
        await store.export("home-ada", tmp_path / "no" / "x.raw", ExportFormat.RAW)
    assert await store.snapshots("home-ada") == []


async def test_a_copy_goes_on_while_the_volume_changes(store):
    path = await make(store)
    await write(path, 1)
    async with store.exported("home-ada", ExportFormat.RAW) as (copy, source):
        await write(path, 2)
        assert source.reason is Reason.BEFORE
        assert copy.read_bytes()[20 * 2**20 : 21 * 2**20] == b"\1" * 2**20
    assert await store.snapshots("home-ada") == []


async def test_a_cancelled_copy_leaves_nothing(store):
    await make(store)

    async def take() -> None:
        async with store.exported("home-ada", ExportFormat.RAW):
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    task = asyncio.create_task(take())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.snapshots("home-ada") == []
    assert list(store.context.work.iterdir()) == []
    with read_snapshots(store.context.locks, "home-ada"):
        pass


@pytest.mark.parametrize("form", [ExportFormat.QCOW2, ExportFormat.VDI, ExportFormat.RAW])
async def test_what_was_exported_comes_back(store, tmp_path, form):
    path = await make(store)
    await write(path, 9)
    await store.grow("home-ada", 96)
    target = tmp_path / "home"
    await store.export("home-ada", target, form)
    told = ImportFormat.RAW if form is ExportFormat.RAW else ImportFormat.AUTO
    volume = await store.import_volume(Import(target, "home-eve", "eve", form=told))
    assert (volume.owner, volume.size_mib, volume.needs_grow) == ("eve", 96, True)
    assert await holds(store.context.path(volume), 9)
    await check(store.context.path(volume))
    assert list(store.context.work.iterdir()) == []


async def imports(store, source: Path, form: ImportFormat = ImportFormat.AUTO):
    return await store.import_volume(Import(source, "home-eve", "eve", form=form))


async def nothing_came(store):
    assert await store.all() == []
    assert list(store.context.work.iterdir()) == []


async def test_a_file_that_is_no_disk_is_refused(store, tmp_path):
    letter = tmp_path / "letter.qcow2"
    letter.write_text("Dear reader, " * 1000)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "letter.qcow2": "not a disk image",
        "empty": "empty",
        "pipe": "not a file",
        ".": "not a file",
        "gone": "cannot be read",
    }.items():
        with pytest.raises((VolumeError, HostError), match=words):
            await imports(store, tmp_path / name)
    with pytest.raises(VolumeError, match="no ext4 file system"):
        await imports(store, letter, ImportFormat.RAW)
    await nothing_came(store)


async def test_a_reference_to_a_file_of_the_host_is_refused(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(2**20, b"."))
    backed, data = tmp_path / "backed.qcow2", tmp_path / "data.qcow2"
    await run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, backed)
    await run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path / 'x'}",
              data, "1M")  # fmt: skip
    vmdk = tmp_path / "descriptor.vmdk"
    vmdk.write_text(f'# Disk DescriptorFile\nversion=1\nRW 2048 FLAT "{secret}" 0\n')
    for source, words in {
        backed: "backing file",
        data: "in another file",
        vmdk: "not a disk image",
    }.items():
        with pytest.raises(VolumeError, match=words):
            await imports(store, source)
    # Named as raw, it is bytes and no reference.
    with pytest.raises(VolumeError, match="no ext4 file system"):
        await imports(store, backed, ImportFormat.RAW)
    await nothing_came(store)


async def test_a_volume_that_came_to_refer_to_another_file_shows_nothing_of_it(store, tmp_path):
    path = await make(store)
    secret = tmp_path / "secret"
    secret.write_bytes(b"S" * 64 * 2**20)
    # What somebody could do who has broken out of a machine into its QEMU.
    await run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, path)
    store.context.find_user().give(path)
    target = tmp_path / "home.raw"
    await store.export("home-ada", target, ExportFormat.RAW)
    assert b"S" not in target.read_bytes()


async def test_a_damaged_or_cut_file_is_refused(store, tmp_path):
    path = await make(store)
    await write(path, 3, mib=8)
    whole = tmp_path / "whole.qcow2"
    await store.export("home-ada", whole, ExportFormat.QCOW2)
    await store.delete("home-ada", days=1e-6)
    store.context.clock.now += 10
    await store.purge()
    content = whole.read_bytes()
    for length in (50, 200, 70_000):
        whole.write_bytes(content[:length])
        with pytest.raises(VolumeError):
            await imports(store, whole)
    whole.write_bytes(content[:24] + (2**62).to_bytes(8, "big") + content[32:])
    with pytest.raises(VolumeError, match="larger than"):
        await imports(store, whole)
    await nothing_came(store)


async def test_a_file_with_more_in_it_than_the_host_can_spare_is_refused(
    store, tmp_path, monkeypatch
):
    raw, bomb = tmp_path / "raw", tmp_path / "bomb.qcow2"
    raw.write_bytes(b"\1" * 2**20 * 40)
    await run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, bomb)
    assert bomb.stat().st_size < 2**20
    scarce = FreeSpace(store.context.folder, 10_000, 532)
    monkeypatch.setattr("vmlab.volumes.importing.find_free_space", lambda _: scarce)
    with pytest.raises(HostError, match=r"532 MiB free, importing .*bomb.qcow2 needs 41 MiB"):
        await imports(store, bomb)
    await nothing_came(store)


def ext4_of(size_bytes: int) -> bytes:
    """The first bytes of a file system that says that it has this size."""
    blocks = size_bytes // 4096
    superblock = bytearray(1024)
    struct.pack_into("<I", superblock, 4, blocks & 0xFFFFFFFF)
    struct.pack_into("<I", superblock, 0x18, 2)
    struct.pack_into("<H", superblock, 0x38, 0xEF53)
    struct.pack_into("<I", superblock, 0x60, 0x80)
    struct.pack_into("<I", superblock, 0x150, blocks >> 32)
    return bytes(1024) + bytes(superblock)


def vdi_of(size_bytes: int) -> bytes:
    head = bytearray(512)
    head[0x40:0x44] = bytes.fromhex("7f10dabe")
    struct.pack_into("<Q", head, 0x170, size_bytes)
    return bytes(head)


@pytest.mark.attack("volumes.imports", "disks of up to 6 TiB in files that take next to nothing")
@pytest.mark.parametrize("form", [ImportFormat.RAW, ImportFormat.QCOW2, ImportFormat.VDI])
@pytest.mark.parametrize("size", ["6T", "3T", "5G"])
async def test_a_disk_larger_than_the_lab_allows_is_refused_before_anything_is_copied(
    store, tmp_path, monkeypatch, form, size, tried
):
    async def copies_nothing(*words: str, **_: object) -> None:
        raise AssertionError(f"was run: {words}")

    monkeypatch.setattr("vmlab.volumes.importing.run_tool", copies_nothing)
    size_bytes = int(size[:-1]) * 2 ** {"T": 40, "G": 30}[size[-1]]
    source = tmp_path / "disk"
    if form is ImportFormat.QCOW2:
        await run("qemu-img", "create", "-q", "-f", "qcow2", source, size)
    else:
        source.write_bytes(ext4_of(size_bytes) if form is ImportFormat.RAW else vdi_of(size_bytes))
        os.truncate(source, size_bytes if form is ImportFormat.RAW else 2**20)
    with pytest.raises(VolumeError, match=r"MiB at most|is larger than 4194304 MiB") as told:
        await imports(store, source, form)
    assert told.value.hint
    await nothing_came(store)
    tried(1)


@pytest.mark.attack("volumes.imports", "file systems that say another size than they have")
@pytest.mark.parametrize(
    ("said", "words"),
    [(6 * 2**40, "cut off"), (2**26 + 4096, "cut off"), (2**62, "cut off")],
)
async def test_a_file_system_that_lies_about_its_size_is_refused(
    store, tmp_path, said, words, tried
):
    source = tmp_path / "disk.raw"
    source.write_bytes(ext4_of(said))
    os.truncate(source, 2**26)
    with pytest.raises(VolumeError, match=words):
        await imports(store, source, ImportFormat.RAW)
    await nothing_came(store)
    tried(1)


async def test_a_disk_that_the_host_could_not_hold_is_refused(store, tmp_path, monkeypatch):
    source = tmp_path / "disk.raw"
    source.write_bytes(ext4_of(2**31))
    os.truncate(source, 2**31)
    room = FreeSpace(store.context.folder, 100_000, 4096 + 2000)
    monkeypatch.setattr("vmlab.volumes.importing.find_free_space", lambda _: room)
    with pytest.raises(HostError, match=r"disk.raw needs 2051 MiB beside the 4096 MiB that stay"):
        await imports(store, source, ImportFormat.RAW)
    await nothing_came(store)


async def test_an_import_replaces_no_volume(store, tmp_path):
    path = await make(store)
    await write(path, 4)
    target = tmp_path / "home.qcow2"
    await store.export("home-ada", target, ExportFormat.QCOW2)
    with pytest.raises(VolumeConflictError, match="already"):
        await store.import_volume(Import(target, "home-ada", "eve"))
    assert await holds(path, 4)
    assert (await store.find("home-ada")).owner == "ada"
    for name in ("../x", "a.b", ""):
        with pytest.raises(ConfigError, match="cannot be called"):
            await store.import_volume(Import(target, name, "eve"))
