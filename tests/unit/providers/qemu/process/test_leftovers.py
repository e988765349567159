"""What machines leave behind: found by the lab's folders only, and never a disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from vmlab.model import LeftoverKind
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.process import confine
from vmlab.providers.qemu.process.leftovers import clear_leftover, find_leftovers

NAME = "desk-ada-0"


@pytest.fixture
def paths(tmp_path, monkeypatch) -> Paths:
    # The path of a socket must be short.
    monkeypatch.chdir(tmp_path)
    made = Paths(tmp_path / "s", tmp_path / "c")
    made.machines.mkdir(parents=True)
    return made


@pytest.fixture
def cgroups(tmp_path, monkeypatch) -> Path:
    """Cgroups of version 2 that this process may use."""
    root = tmp_path / "cgroup"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpu memory")
    (root / "cgroup.subtree_control").write_text("cpu memory")
    monkeypatch.setattr(confine, "detect_confinement", lambda _root: confine.Confinement.CGROUP2)
    return root


def make_machine(paths: Paths, stage: Stage, name: str = NAME, **fields) -> Machine:
    folder = Machine(paths.machines / name)
    folder.path.mkdir()
    folder.write(Record(name, "ada", "desk", stage=stage, unit=folder.unit, **fields))
    return folder


def make_old(path: Path) -> Path:
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


def make_cgroup(root: Path, name: str, procs: str = "") -> Path:
    path = root / name
    path.mkdir()
    (path / "cgroup.procs").write_text(procs)
    return make_old(path)


def bind(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(path))
    listener.close()


@contextlib.contextmanager
def running(folder: Machine):
    """Lock the folder as the shim of a VMLab before 0012 does: by a lock that a descriptor has."""
    lock = os.open(folder.shim_lock, os.O_RDWR | os.O_CREAT)
    words = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(lock, fcntl.F_OFD_SETLK, words)
    try:
        yield
    finally:
        os.close(lock)


def kinds(found) -> list[LeftoverKind]:
    return [item.kind for item in found]


def test_an_empty_lab_has_none(paths, cgroups):
    assert find_leftovers(paths, cgroups) == []
    assert find_leftovers(Paths(paths.state / "nowhere", paths.cache), cgroups) == []


def test_sockets_of_a_machine_that_does_not_run(paths, cgroups):
    folder = make_machine(paths, Stage.SEEDED)
    bind(folder.qmp)
    (found,) = find_leftovers(paths, cgroups)
    assert (found.kind, found.machine) == (LeftoverKind.SOCKET, NAME)
    clear_leftover(found, paths)
    assert not folder.qmp.exists()
    clear_leftover(found, paths)


def test_nothing_of_a_machine_that_runs(paths, cgroups):
    folder = make_machine(paths, Stage.SEEDED)
    bind(folder.qmp)
    make_cgroup(cgroups, folder.unit)
    with running(folder):
        assert find_leftovers(paths, cgroups) == []
    assert set(kinds(find_leftovers(paths, cgroups))) == {LeftoverKind.SOCKET, LeftoverKind.CGROUP}


def test_nothing_of_a_machine_that_was_launched_a_moment_ago(paths, cgroups):
    folder = make_machine(paths, Stage.POWERED, powered_at=time.time())
    bind(folder.qmp)
    make_cgroup(cgroups, folder.unit)
    assert find_leftovers(paths, cgroups) == []


def test_a_half_made_folder_goes_unless_there_is_a_disk_in_it(paths, cgroups):
    empty, with_disk = paths.machines / "desk-a-0", paths.machines / "desk-b-0"
    for path in (empty, with_disk):
        path.mkdir()
        (path / "server.sock:80").symlink_to("server.sock")
    (with_disk / "root.qcow2").touch()
    assert find_leftovers(paths, cgroups) == [], "somebody may be at work on it"
    make_old(empty)
    make_old(with_disk)
    (found,) = find_leftovers(paths, cgroups)
    assert (found.kind, found.machine) == (LeftoverKind.FOLDER, "desk-a-0")
    clear_leftover(found, paths)
    assert not empty.exists()
    assert with_disk.exists()


def test_a_damaged_record_hides_its_own_machine_only(paths, cgroups):
    folder = make_machine(paths, Stage.SEEDED)
    damaged = make_machine(paths, Stage.SEEDED, "desk-bob-0")
    damaged.checkpoint.write_text("{")
    bind(folder.qmp)
    bind(damaged.qmp)
    make_cgroup(cgroups, damaged.unit)
    assert [item.machine for item in find_leftovers(paths, cgroups)] == [NAME]


def test_cgroups_of_this_lab_without_a_process(paths, cgroups):
    gone = Machine(paths.machines / "desk-gone-0")
    pool = Machine(paths.pool / "pool-1234")
    for folder in (gone, pool):
        make_cgroup(cgroups, folder.unit)
    make_cgroup(cgroups, Machine(paths.machines / "desk-busy-0").unit, procs="1\n")
    make_cgroup(cgroups, Machine(Path("/other/lab/machines/desk-gone-0")).unit)
    make_cgroup(cgroups, "vmlab-")
    found = find_leftovers(paths, cgroups)
    assert {Path(item.what).name for item in found} == {gone.unit, pool.unit}


def test_the_cgroup_of_a_pool_machine_that_was_claimed_stays(paths, cgroups):
    pool = Machine(paths.pool / "pool-1234")
    make_cgroup(cgroups, pool.unit)
    folder = Machine(paths.machines / NAME)
    folder.path.mkdir()
    folder.write(Record(NAME, "ada", "desk", stage=Stage.SEEDED, unit=pool.unit))
    with running(folder):
        assert find_leftovers(paths, cgroups) == []
