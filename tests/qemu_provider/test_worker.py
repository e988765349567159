"""Somebody broke out of QEMU and is the machine's user: nothing of root or of another is theirs.

The worker is played by a process that became that user (fakes/worker.py). Machines are clones: one
boot for all tests here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from fakes.benches import kill_all, start
from fakes.worker import (
    BOMB,
    attacking,
    bystanders,
    is_possible,
    run_worker,
    start_ready,
    words_as,
)
from vmlab.model import LeftoverKind
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.users import MACHINE_UIDS, find_machine_user, find_processes_of
from vmlab.providers.qemu.process import leftovers
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.warm.template import list_templates
from vmlab.system.worker import TOOLS_GID, TOOLS_USER, find_tools_user
from vmlab.volumes.model import ExportFormat
from vmlab_protocol.phases import Phase
from vmlab_protocol.snapshots import Reason

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(not is_possible(), reason="without root all runs as one user"),
]


def folder_of(bench, name: str) -> Machine:
    return Machine.below(bench.settings.state / "machines", name)


def user_of(folder: Machine):
    user = find_machine_user(folder)
    assert user is not None
    return user


async def clone(bench, number: int = 0) -> Machine:
    """Start a machine as a clone."""
    spec = bench.spec(f"desk-u-{number}", f"home-u-{number}")
    await start(bench.provider, spec, bench.seed())
    folder = folder_of(bench, spec.name)
    record = folder.record()
    assert record is not None
    assert record.style == "clone"
    return folder


@pytest.fixture
async def bench(bench):
    await bench.provider.make_template(bench.spec())
    return bench


@pytest.fixture
def canary(tmp_path):
    """A file of root's that no worker may reach, but may name."""
    tmp_path.chmod(0o711)
    path = tmp_path / "canary"
    path.write_text("root's own")
    yield path
    assert path.read_text() == "root's own"
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o600)


@pytest.mark.attack(
    "worker.names", "exchanges every name in its folder while root snapshots, exports and connects"
)
async def test_no_name_in_the_folder_changes_while_root_works_there(bench, canary, tried):
    canary.chmod(0o600)
    folder = await clone(bench)
    store, name = bench.provider.volumes, folder.path.name
    wish = {"folder": str(folder.path), "canary": str(canary)}
    with attacking(user_of(folder), "names", **wish) as attack:
        for number in range(3):
            await store.snapshot("home-u-0", Reason.MANUAL)
            await store.export("home-u-0", canary.parent / f"{number}.raw", ExportFormat.RAW)
            bench.provider.ssh_command(name)
            await bench.provider.console(name)
            await bench.provider.activity([name])
            assert (await bench.provider.status([name]))[name].state.is_on
    assert attack.done == []
    assert attack.tried > 300
    tried(attack.tried)
    own = {path.name for path in folder.path.iterdir() if path.lstat().st_uid != 0}
    assert own == {"root.qcow2"}


@pytest.mark.attack("worker.names", "exchanges every name in its folder while root starts it")
async def test_no_name_in_the_folder_changes_during_a_start(bench, canary, tried):
    canary.chmod(0o600)
    folder = await clone(bench)
    await bench.provider.stop(folder.path.name, now=True)
    spec = bench.spec("desk-u-0", "home-u-0")
    wish = {"folder": str(folder.path), "canary": str(canary)}
    user = user_of(folder)
    async with aclosing(bench.provider.start(spec, bench.seed())) as events:
        async for event in events:
            if event.phase is Phase.DISK and not event.notice:  # from here on root makes files
                with attacking(user, "names", **wish) as attack:
                    async for _ in events:
                        pass
    assert attack.done == []
    assert user_of(folder) == user
    tried(attack.tried)


@pytest.mark.attack(
    "worker.others", "reads, writes, connects, signals and traces what another machine has"
)
async def test_nothing_of_another_machine_nor_of_the_hub_is_within_reach(bench, canary, tried):
    canary.chmod(0o600)
    mine, other = await clone(bench, 0), await clone(bench, 1)
    await bench.provider.stop(mine.path.name, now=True)  # its volume rests
    state = bench.settings.state
    files = [canary, *other.path.iterdir(), *state.rglob("*.qcow2"), *state.glob("*.sqlite")]
    files = [str(path) for path in files if path.parent != mine.path and path.is_file()]
    assert any(path.endswith("home-u-0.qcow2") for path in files)
    assert any(path.endswith("access_key") for path in files)
    sockets = [str(path) for path in other.sockets]
    pids = [os.getpid(), *(process.pid for process in find_processes(other))]
    assert len(pids) == 3, "hub, shim and QEMU"
    done, count = run_worker(user_of(mine), "others", files=files, sockets=sockets, pids=pids)
    assert done == []
    assert count > 50
    tried(count)
    assert user_of(mine).uid != user_of(other).uid


@pytest.mark.attack("worker.templates", "changes the memory, devices and disk that all clones read")
async def test_a_template_is_read_by_all_and_changed_by_none(bench, tried):
    folder = await clone(bench)
    (template,) = list_templates(bench.settings.cache / "templates")
    paths = [str(template.memory), str(template.root_disk)]
    done, count = run_worker(user_of(folder), "shared", paths=[*paths, str(template.devices)])
    assert done == []
    tried(count)
    # What QEMU itself has open is what somebody in it could write to.
    (qemu,) = (p for p in find_processes(folder) if "qemu-system-x86_64" in p.cmdline())
    flags = {
        link.readlink(): int(Path(f"/proc/{qemu.pid}/fdinfo/{link.name}").read_text().split()[3], 8)
        for link in Path(f"/proc/{qemu.pid}/fd").iterdir()
    }
    for path in paths:
        assert flags[Path(path)] & os.O_ACCMODE == os.O_RDONLY, path
    rollup = Path(f"/proc/{qemu.pid}/smaps").read_text()
    mapped = rollup.partition(str(template.memory))[0].splitlines()[-1]
    assert "rw-p" in mapped, "its own copy of what it writes, and the rest shared with all clones"


async def test_a_volume_is_its_machines_while_that_has_it(bench):
    first, second = await clone(bench, 0), await clone(bench, 1)
    resting = (find_tools_user().uid, TOOLS_GID, 0o600)

    def owner(number: int) -> tuple[int, int, int]:
        facts = (bench.settings.state / "volumes" / f"home-u-{number}.qcow2").stat()
        return facts.st_uid, facts.st_gid, facts.st_mode & 0o777

    assert owner(0) == (user_of(first).uid, TOOLS_GID, 0o640)
    assert owner(1) == (user_of(second).uid, TOOLS_GID, 0o640)
    await bench.provider.stop(first.path.name, now=True)
    assert owner(0) == resting
    kill_all(processes := find_processes(second))
    await asyncio.to_thread(psutil.wait_procs, processes, 10)
    await bench.provider.volumes.snapshot("home-u-1", Reason.MANUAL)  # taken back without a stop
    assert owner(1) == resting


@pytest.mark.attack("worker.strays", "forks faster than it is looked for, and out of its session")
async def test_nothing_of_a_machines_user_outlives_its_stop(bench, tried):
    folder = await clone(bench)
    user = user_of(folder)
    bomb = start_ready(words_as(user, BOMB, "6"))
    await bench.provider.stop(folder.path.name, now=True)
    assert find_processes_of(user.uid) == []
    bomb.communicate()
    tried(6)


@pytest.mark.attack(
    "worker.processes", "other processes have the machine's words, name, files and folder"
)
async def test_no_other_process_is_taken_for_a_machines(bench, monkeypatch, tried):
    monkeypatch.setattr(leftovers, "_HALF_MADE_S", 0.0)
    folder = await clone(bench)
    lock = str(folder.shim_lock)
    words = [
        "-",
        "vmlab.providers.qemu.process.shim",
        "qemu-system-x86_64",
        lock,
        str(folder.root_disk),
    ]
    with bystanders(folder.path, lock, words) as others:
        pids = {process.pid for process in find_processes(folder)}
        assert len(pids) == 2, "shim and QEMU"
        assert not pids & {process.pid for process in others}
        await bench.provider.stop(folder.path.name, now=True)
        found = await bench.provider.leftovers()
        assert [item for item in found if item.kind is LeftoverKind.PROCESS] == []
        assert [process.poll() for process in others] == [None, None]
    tried(len(others))


@pytest.mark.own_cache
async def test_a_state_folder_of_the_version_before_is_taken_over(bench):
    """There everything belonged to one user, folders included; QEMU had other sockets."""
    folder = await clone(bench)
    name = folder.path.name
    await bench.provider.stop(name, now=True)
    key, inode = folder.access_key.read_bytes(), folder.root_disk.stat().st_ino
    (template,) = list_templates(bench.settings.cache / "templates")
    folder.user.unlink()
    volume = bench.settings.state / "volumes" / "home-u-0.qcow2"
    for path in (folder.path, template.folder, volume):
        chown = ["chown", "-R", "--no-dereference", f"{TOOLS_USER}:{TOOLS_USER}", str(path)]
        await asyncio.to_thread(subprocess.run, chown, check=True)
    folder.path.chmod(0o700)
    template.folder.chmod(0o700)
    template.root_disk.chmod(0o440)

    spec = bench.spec(name, "home-u-0")
    await start(bench.provider, spec, bench.seed())
    uid = user_of(folder).uid
    assert uid in MACHINE_UIDS
    assert (folder.path.stat().st_uid, folder.path.stat().st_mode & 0o777) == (0, 0o710)
    assert folder.access_key.read_bytes() == key
    assert folder.access_key.stat().st_uid == 0
    assert (folder.root_disk.stat().st_ino, folder.root_disk.stat().st_uid) == (inode, uid)
    assert template.folder.stat().st_uid == template.root_disk.stat().st_uid == 0
    assert volume.stat().st_uid == uid
