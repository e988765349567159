"""Odd things among the machines' folders: each is told of as what it is, and hides no other."""

from __future__ import annotations

import json
import os

import pytest

from vmlab.errors import ProviderError
from vmlab.model import MachineState
from vmlab.providers.qemu.machine.aside import list_aside
from vmlab.providers.qemu.machine.disks import prune_old_disks
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.process.leftovers import find_leftovers
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.settings import ProviderSettings

GOOD = {"name": "x", "owner": "ada", "image": "desk", "stage": "stopped", "version": 2}
RECORDS = {
    "no text": b"\xff\xfe",
    "nothing": b"",
    "list": b"[]",
    "number": b"5",
    "deep": b"[" * 100_000,
    "digits": json.dumps(GOOD).encode().replace(b"2}", b"9" * 400 + b"}"),
    "more digits": json.dumps(GOOD).encode().replace(b"2}", b"9" * 5000 + b"}"),
    "NaN": json.dumps({**GOOD, "powered_at": float("nan")}).encode(),
    "time of text": json.dumps({**GOOD, "powered_at": "now"}).encode(),
    "owner of lists": json.dumps({**GOOD, "owner": [[]]}).encode(),
    "stage of lists": json.dumps({**GOOD, "stage": []}).encode(),
    "used of text": json.dumps({**GOOD, "used": "no"}).encode(),
    "version of text": json.dumps({**GOOD, "version": "2"}).encode(),
    "unknown field": json.dumps({**GOOD, "x" * 10_000: 1}).encode(),
}


@pytest.fixture
def machines(tmp_path):
    """A lab's folder of machines with a good one in it."""
    folder = tmp_path / "machines"
    (folder / "good").mkdir(parents=True)
    Machine(folder / "good").write(Record("good", "ada", "desk", stage=Stage.STOPPED))
    return folder


@pytest.fixture
def provider(machines):
    return QemuProvider(ProviderSettings("qemu", machines.parent, machines.parent))


@pytest.mark.attack("jobs.damaged-record", "a machine's record is damaged")
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
async def test_a_damaged_record_is_a_problem_of_its_machine_only(machines, provider, record):
    (machines / "odd").mkdir()
    (machines / "odd" / "machine.json").write_bytes(record)
    with pytest.raises(ProviderError, match=r"odd: its record .* cannot be read: ") as told:
        Machine(machines / "odd").record()
    assert len(told.value.message) < 500
    listed = await provider.status()
    assert listed["good"].owner == "ada"
    assert "cannot be read" in listed["odd"].problem
    assert listed["odd"].state is MachineState.STOPPED
    assert listed["odd"].problem.isprintable()


def file(path):
    path.write_text("x")


def dangling(path):
    path.symlink_to("nowhere")


def loop(path):
    path.symlink_to(path)


def record_is_a_folder(path):
    (path / "machine.json").mkdir(parents=True)


def lock_is_a_folder(path):
    path.mkdir()
    Machine(path).write(Record(path.name, "eve", "desk", stage=Stage.LIVE))
    (path / "shim.lock").mkdir()


def report_is_a_folder(path):
    path.mkdir()
    Machine(path).write(Record(path.name, "eve", "desk", stage=Stage.LIVE))
    (path / "exit.json").mkdir()


def report_of_nonsense(path):
    path.mkdir()
    Machine(path).write(Record(path.name, "eve", "desk", stage=Stage.LIVE))
    (path / "exit.json").write_text('{"status": %s, "message": "\x1b"}' % ("9" * 400))


ODD = [
    file, dangling, loop, record_is_a_folder, lock_is_a_folder, report_is_a_folder,
    report_of_nonsense,
]  # fmt: skip


@pytest.mark.attack("jobs.damaged-record", "something else is in a machine's place")
@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("name", ["odd", "x" * 200, os.fsdecode(b"\xff\x1b")], ids=ascii)
async def test_a_stray_thing_is_told_of_and_hides_nobody(machines, provider, make, name):
    make(machines / name)
    listed = dict(await provider.status())
    assert listed.pop("good").owner == "ada"
    ((shown, status),) = listed.items()
    shown.encode()
    assert status.problem
    assert status.problem.isprintable()
    # What tidies up looks at the same folders.
    assert find_leftovers(provider._paths, machines / "no-cgroups") == []
    assert prune_old_disks(machines, 0.0) == []
    assert (await provider.status(["good"]))["good"].state is MachineState.STOPPED


async def test_one_old_disk_that_does_not_go_keeps_no_other(machines, caplog):
    stuck, free = machines / "a" / "root-1-5.qcow2", machines / "b" / "root-1-5.qcow2"
    stuck.mkdir(parents=True)
    free.parent.mkdir()
    free.touch()
    assert [disk.machine for disk in prune_old_disks(machines, 10.0)] == ["b"]
    assert not free.exists()
    assert "a: an old root disk could not be removed" in caplog.text


def test_a_name_of_no_time_hides_no_machine_that_was_set_aside(tmp_path):
    (tmp_path / "desk-ada-20261129T120000Z").mkdir()
    (tmp_path / "desk-ada-99999999T999999Z").mkdir()
    assert [kept.name for kept in list_aside(tmp_path)] == ["desk-ada-20261129T120000Z"]
