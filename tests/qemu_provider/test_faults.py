"""What goes wrong with a machine, and what people then read. Real QEMU, tiny guest."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from fakes.benches import start, start_until
from fakes.processes import command_lines
from fakes.tiny_guest import make_tiny_image
from fakes.waiting import LIMIT_S
from vmlab.errors import (
    GuestError,
    HostError,
    ImageError,
    MachineConflictError,
    MachineTimeoutError,
    ProviderError,
)
from vmlab.model import MachineState, VolumeSpec
from vmlab.providers.qemu.channels import monitor
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.accelerator import choose_accelerator
from vmlab_protocol.phases import Phase

pytestmark = pytest.mark.vm


def find_process(bench, program: str) -> psutil.Process:
    """The machine's shim or QEMU."""
    mark = str(bench.settings.state)
    found = [p for p, words in command_lines() if mark in words and program in words]
    assert len(found) == 1, found
    return found[0]


async def status(bench, name="desk-ada-0"):
    return (await bench.provider.status([name]))[name]


async def ended(bench, name="desk-ada-0"):
    """The status once the machine's last process is gone."""
    async with asyncio.timeout(LIMIT_S):
        while (found := await status(bench, name)).state is not MachineState.STOPPED:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the kernel ends processes when it likes
    return found


async def run(*words: str) -> bytes:
    """Run a command off the event loop; it must succeed."""
    done = await asyncio.to_thread(lambda: subprocess.run(words, capture_output=True, check=True))
    return done.stdout


async def test_a_refused_seed_names_the_phase_and_cleans_the_text(bench):
    with pytest.raises(GuestError, match=r"desk-ada-0: .*mounts.*asked to fail <b>") as caught:
        await start(bench.provider, bench.spec(), bench.seed(X="TINY_FAIL"))
    assert "\x07" not in str(caught.value)
    assert "vmlab machine console desk-ada-0" in caught.value.hint
    assert "desk-ada-0" not in caught.value.public.en
    await bench.provider.stop("desk-ada-0")
    await start(bench.provider, bench.spec(), bench.seed())


async def test_rubbish_from_the_guest_is_ignored(bench):
    phases = await start(bench.provider, bench.spec(), bench.seed(X="TINY_RUBBISH"))
    assert Phase.READY not in phases
    assert phases[-1] is Phase.SERVER


async def test_a_guest_that_never_answers_misses_its_deadline(bench):
    provider = bench.again(seed_s=2)
    with pytest.raises(MachineTimeoutError, match="within 2 s in phase 'identity'"):
        await start(provider, bench.spec(), bench.seed(X="TINY_SILENT"))


async def test_a_guest_that_powers_off_while_it_is_seeded(bench):
    with pytest.raises(GuestError, match="ended while it was starting"):
        await start(bench.provider, bench.spec(), bench.seed(X="TINY_CRASH"))
    assert "shut down from inside" in (await ended(bench)).problem


@pytest.mark.parametrize("victim", ["qemu-system", "shim"])
@pytest.mark.parametrize("phase", [Phase.BOOT, Phase.IDENTITY])
async def test_a_machine_killed_while_it_starts(bench, victim, phase):
    async def start_and_kill() -> None:
        async with aclosing(
            bench.provider.start(bench.spec(), bench.seed(X="TINY_HALF"))
        ) as events:
            async for event in events:
                if event.phase is phase:
                    find_process(bench, victim).kill()

    with pytest.raises(GuestError, match=r"ended while it was starting|cannot be reached"):
        await start_and_kill()
    assert (await ended(bench)).problem
    await bench.provider.stop("desk-ada-0")
    await start(bench.provider, bench.spec(), bench.seed())


async def test_qemu_dies_with_its_shim(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    qemu = find_process(bench, "qemu-system")
    find_process(bench, "shim").kill()
    await asyncio.to_thread(psutil.wait_procs, [qemu], 5)
    assert not qemu.is_running() or qemu.status() == psutil.STATUS_ZOMBIE
    assert (await ended(bench)).problem == "its process was killed"


async def test_a_guest_that_does_not_power_down_is_switched_off(bench, monkeypatch):
    provider = bench.again(shutdown_s=1)
    await start(provider, bench.spec(), bench.seed())
    monkeypatch.setattr(monitor, "_CONNECT_LIMIT_S", 1.0)  # it is halted: it will not answer later
    find_process(bench, "qemu-system").send_signal(signal.SIGSTOP)
    await provider.stop("desk-ada-0")
    assert (await status(bench)).state is MachineState.STOPPED


async def test_nothing_is_left_after_a_stop(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.stop("desk-ada-0")
    mark = str(bench.settings.state)
    assert not [p for p, words in command_lines() if mark in words]
    folder = bench.settings.state / "machines" / "desk-ada-0"
    assert not list(folder.glob("*.sock"))
    unit = Machine(folder).unit  # other labs may have a machine of this name
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{unit}"))


async def test_a_volume_is_attached_to_one_machine_at_a_time(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    other = bench.spec("desk-eve-0", volume="home-ada-0")
    with pytest.raises(MachineConflictError, match=r"desk-eve-0: .*attached to desk-ada-0"):
        await start(bench.provider, other, bench.seed())
    assert (await status(bench)).state is MachineState.RUNNING


async def test_the_volume_outlives_the_machine(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.delete("desk-ada-0")
    volume = bench.settings.state / "volumes" / "home-ada-0.qcow2"
    assert volume.exists()
    told = json.loads(await run("qemu-img", "info", "--output=json", volume))
    assert told["virtual-size"] == 64 * 2**20
    assert told["actual-size"] < 8 * 2**20


@pytest.mark.own_cache
async def test_a_new_image_keeps_home_and_old_root_disk_and_says_so(bench, desk_image, tmp_path):
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.stop("desk-ada-0")
    volume = bench.settings.state / "volumes" / "home-ada-0.qcow2"
    inode, size = volume.stat().st_ino, volume.stat().st_size
    images = bench.settings.cache / "images"
    make_tiny_image(desk_image, images, version="2")
    async with aclosing(bench.provider.start(bench.spec(), bench.seed())) as events:
        notices = [event.notice async for event in events if event.notice]
    assert "new system image" in notices[0].en
    assert "nouvelle image" in notices[0].fr
    folder = bench.settings.state / "machines" / "desk-ada-0"
    (old,) = folder.glob("root-1-*.qcow2")
    assert (await status(bench)).image_version == "2"
    assert (volume.stat().st_ino, volume.stat().st_size >= size) == (inode, True)
    (disk,) = await bench.provider.old_disks("desk-ada-0")
    assert (disk.image_version, disk.path) == ("1", str(old))
    # It can be looked into as documented, with the image that it is based on.
    raw = tmp_path / "old.raw"
    await run("qemu-img", "convert", "-O", "raw", old, raw)
    assert raw.stat().st_size == 16 * 2**20
    assert await bench.provider.prune_old_disks(disk.at) == []
    assert await bench.provider.prune_old_disks(disk.at + 1) == [disk]
    assert not old.exists()


@pytest.mark.own_cache
async def test_an_image_cut_short_is_named(bench):
    kernel = bench.settings.cache / "images" / "tiny" / "1" / "vmlinuz"
    os.truncate(kernel, 1000)
    with pytest.raises(ImageError, match=r"vmlinuz.*1000"):
        await start(bench.again(), bench.spec(), bench.seed())
    assert (await status(bench)).state is MachineState.ABSENT


async def test_a_missing_qemu_is_named(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="qemu-system-x86_64 is not installed") as caught:
        await start(bench.again(), bench.spec(), bench.seed())
    assert "apt-get install" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="a full file system needs root to make")
async def test_a_full_disk_is_named_and_leaves_nothing(bench):
    state = bench.settings.state
    await run("mount", "-t", "tmpfs", "-o", "size=20M,mode=711", "tmpfs", state)
    try:
        with pytest.raises(HostError, match="MiB free, a start needs") as caught:
            await start(bench.again(), bench.spec(), bench.seed())
        assert "disk is full" in caught.value.public.en
        assert await bench.again().status() == {}
    finally:
        await run("umount", state)


async def test_a_volume_larger_than_the_limit_of_a_file_is_an_error_and_leaves_nothing(bench):
    spec = bench.spec(volume=None)
    huge = VolumeSpec("home-ada-0", 2**40)
    with pytest.raises(HostError, match="home-ada-0"):
        await start(bench.provider, dataclasses.replace(spec, volume=huge), bench.seed())
    volumes = bench.settings.state / "volumes"
    assert [path for path in volumes.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    await start(bench.provider, spec, bench.seed())


async def test_a_damaged_record_is_named(bench):
    await start_until(bench.provider, bench.spec(), bench.seed(), Phase.VOLUME)
    record = bench.settings.state / "machines" / "desk-ada-0" / "machine.json"
    record.write_text("{")
    with pytest.raises(ProviderError, match=r"machine\.json cannot be read"):
        await bench.provider.status(["desk-ada-0"])
    record.unlink()


async def test_a_machine_with_a_damaged_record_is_listed_and_can_be_stopped(bench):
    await start(bench.provider, bench.spec(), bench.seed())
    record = bench.settings.state / "machines" / "desk-ada-0" / "machine.json"
    record.write_text("{")
    listed = (await bench.provider.status())["desk-ada-0"]
    assert listed.state is MachineState.STARTING
    assert "cannot be read" in listed.problem
    await bench.provider.stop("desk-ada-0")
    assert (await bench.provider.status())["desk-ada-0"].state is MachineState.STOPPED
    assert record.read_text() == "{", "what is left of it is for people to look at"


@pytest.mark.parametrize("fact", ["boot_id", "qemu", "uid", "kvm"])
async def test_the_accelerator_is_asked_once_until_something_changes(tmp_path, fact):
    first = await choose_accelerator("auto", tmp_path)
    stamp = tmp_path / "accelerator.json"
    assert json.loads(stamp.read_text())["reason"] == first.reason
    stamp.write_text(stamp.read_text().replace(first.reason, "as stored"))
    assert (await choose_accelerator("auto", tmp_path)).reason == "as stored"
    changed = json.loads(stamp.read_text())
    changed["key"][fact] = "another"
    stamp.write_text(json.dumps(changed))
    assert (await choose_accelerator("auto", tmp_path)).reason == first.reason
