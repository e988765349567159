"""Root disks of older images, and machines that were set aside: files alone."""

from __future__ import annotations

import pytest

from vmlab.providers.qemu.machine import aside
from vmlab.providers.qemu.machine.disks import keep_root_disk, list_old_disks, prune_old_disks
from vmlab.providers.qemu.machine.machine import Machine, Record


@pytest.fixture
def folder(tmp_path) -> Machine:
    made = Machine(tmp_path / "machines" / "desk-ada-0")
    made.path.mkdir(parents=True)
    return made


def test_a_root_disk_is_kept_under_its_version(folder):
    assert not keep_root_disk(folder, "v1")
    folder.root_disk.write_bytes(b"x")
    assert keep_root_disk(folder, "v1-a")
    assert not folder.root_disk.exists()
    (kept,) = list_old_disks(folder)
    assert (kept.machine, kept.image_version) == ("desk-ada-0", "v1-a")


def test_old_disks_are_pruned_by_age_and_nothing_else_is(folder):
    names = ["root-v1-1000.qcow2", "root-v2-2000.qcow2", "root.qcow2", "root-x.qcow2", "my.qcow2"]
    for name in names:
        (folder.path / name).touch()
    assert [disk.at for disk in list_old_disks(folder)] == [2000, 1000]
    assert [disk.image_version for disk in prune_old_disks(folder.path.parent, 1500)] == ["v1"]
    assert {path.name for path in folder.path.iterdir()} == set(names[1:])
    assert prune_old_disks(folder.path.parent, 1500) == []


def test_a_folder_set_aside_keeps_its_name_and_time(folder, tmp_path):
    folder.write(Record("desk-ada-0", "ada", "desk", "v1"))
    kept = aside.keep_folder(folder, tmp_path / "aside", 1_700_000_000)
    assert kept == "desk-ada-0-20231114T221320Z"
    assert aside.keep_folder(folder, tmp_path / "aside", 1_700_000_000) == ""
    folder.path.mkdir()
    assert aside.keep_folder(folder, tmp_path / "aside", 1_700_000_000.9) > kept
    newest, oldest = aside.list_aside(tmp_path / "aside")
    assert (oldest.owner, oldest.image_version, oldest.at) == ("ada", "v1", 1_700_000_000)
    assert newest.at == 1_700_000_001


def test_the_last_three_of_a_machine_stay(folder, tmp_path):
    other = Machine(folder.path.with_name("desk-ada"))  # a name that the other begins with
    for number, made in enumerate((other, *[folder] * 5)):
        made.path.mkdir(exist_ok=True)
        aside.keep_folder(made, tmp_path / "aside", 1000 + number)
    assert len(aside.thin(tmp_path / "aside", "desk-ada-0")) == 2
    assert aside.thin(tmp_path / "aside", "desk-ada-0") == []
    machines = [kept.machine for kept in aside.list_aside(tmp_path / "aside")]
    assert machines == ["desk-ada-0"] * 3 + ["desk-ada"]
