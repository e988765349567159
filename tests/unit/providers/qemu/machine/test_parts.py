"""Records, folders, confinement, relay and the shim's small parts."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from vmlab.errors import HostError, ProviderError
from vmlab.providers.qemu.machine.identity import ensure_identity
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.machine.status import machine_status, read_console, server_url
from vmlab.providers.qemu.process.accelerator import describe_device
from vmlab.providers.qemu.process.confine import (
    TRANSLATION_BUFFER_MIB,
    Confinement,
    Limits,
    detect_confinement,
    machine_limits,
    make_cgroups,
    make_scope_words,
    plan_cgroups,
)
from vmlab.providers.qemu.process.opened import keep_console
from vmlab.providers.qemu.process.shim import _keep_end

LIMITS = Limits(memory_mib=832, cpus=1.5, tasks=77)


@pytest.fixture
def folder(tmp_path):
    return Machine(tmp_path)


def test_a_record_comes_back(folder):
    record = Record("desk-ada-0", "ada", "desk")
    written = folder.write(record, stage=Stage.POWERED, powered_at=5.0)
    assert folder.record() == written
    assert written.stage is Stage.POWERED


# As the version before `Machine` wrote it: its machines still run when the hub is a newer one.
_EARLIER = """{
 "name": "desk-ada-0",
 "owner": "ada",
 "image": "desk",
 "image_version": "7",
 "stage": "seeded",
 "powered_at": 5.5,
 "used": true,
 "unit": "vmlab-pool-1-0123abcd",
 "style": "pool",
 "version": 2
}"""


def test_a_record_on_disk_is_what_it_was(folder):
    folder.checkpoint.write_text(_EARLIER)
    record = folder.record()
    assert record == Record(
        "desk-ada-0", "ada", "desk", "7", Stage.SEEDED, 5.5, True, "vmlab-pool-1-0123abcd", "pool"
    )
    folder.write(record)
    assert folder.checkpoint.read_text() == _EARLIER
    written = folder.write(record, card="class 02:00:0a:4d:01:01 10.77.1.1/16")
    assert folder.record() == written != record


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stage": "x"}', '{"name": "a", "stage": "disk"}']
)
def test_a_damaged_record_is_named(folder, text):
    folder.checkpoint.write_text(text)
    with pytest.raises(ProviderError, match=r"machine\.json"):
        folder.record()


def test_a_newer_record_is_refused(folder):
    folder.write(Record("desk-ada-0", "ada", "desk"), version=99)
    with pytest.raises(ProviderError, match="version 99"):
        folder.record()


def test_an_identity_stays(folder):
    first = ensure_identity(folder)
    assert ensure_identity(folder) == first
    assert len(first.machine_id) == 32
    for path in (folder.identity, folder.access_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "BEGIN OPENSSH PRIVATE KEY" in folder.access_key.read_text()


def test_a_folder_too_deep_for_sockets_is_refused():
    with pytest.raises(HostError, match="VMLAB_STATE"):
        Machine.below(Path("/" + "x" * 90), "desk-ada-0")


def test_two_labs_on_one_host_have_different_units():
    first, second = (Machine(Path(f"/{lab}/desk-ada-0")) for lab in "ab")
    assert first.unit != second.unit


def test_cgroup2_limits():
    plan = plan_cgroups(Confinement.CGROUP2, "vmlab-x", LIMITS, Path("/cg"))
    assert plan.folders == (Path("/cg/vmlab-x"),)
    assert dict(plan.settings) == {
        Path("/cg/vmlab-x/memory.max"): str(832 * 2**20),
        Path("/cg/vmlab-x/cpu.max"): "150000 100000",
        Path("/cg/vmlab-x/pids.max"): "77",
    }
    assert plan.swap == ((Path("/cg/vmlab-x/memory.swap.max"), "0"),)


def test_cgroup1_limits():
    plan = plan_cgroups(Confinement.CGROUP1, "vmlab-x", LIMITS, Path("/cg"))
    assert dict(plan.settings) == {
        Path("/cg/memory/vmlab-x/memory.limit_in_bytes"): str(832 * 2**20),
        Path("/cg/cpu/vmlab-x/cpu.cfs_period_us"): "100000",
        Path("/cg/cpu/vmlab-x/cpu.cfs_quota_us"): "150000",
        Path("/cg/pids/vmlab-x/pids.max"): "77",
    }
    memory_and_swap = Path("/cg/memory/vmlab-x/memory.memsw.limit_in_bytes")
    assert plan.swap == ((memory_and_swap, str(832 * 2**20)),), "no more than the memory alone"


@pytest.mark.parametrize("kind", [Confinement.SYSTEMD, Confinement.RLIMITS])
def test_other_kinds_need_no_cgroup(kind):
    assert plan_cgroups(kind, "vmlab-x", LIMITS).folders == ()


def test_a_scope_carries_the_limits():
    words = make_scope_words("vmlab-x", LIMITS)
    assert "--unit=vmlab-x" in words
    assert "MemoryMax=832M" in words
    assert "CPUQuota=150%" in words
    assert "MemorySwapMax=0" in words
    assert "TasksMax=77" in words


def test_a_kernel_that_counts_no_swap_has_no_file_for_it(tmp_path):
    plan = plan_cgroups(Confinement.CGROUP2, "vmlab-x", LIMITS, tmp_path)
    make_cgroups(plan)
    assert not (tmp_path / "vmlab-x" / "memory.swap.max").exists()
    (tmp_path / "vmlab-x" / "memory.swap.max").write_text("max")
    make_cgroups(plan)
    assert (tmp_path / "vmlab-x" / "memory.swap.max").read_text() == "0"


def test_limits_leave_room_for_qemu_itself():
    assert machine_limits(512, 2).memory_mib > 512 + TRANSLATION_BUFFER_MIB
    assert machine_limits(512, 2).cpus > 2
    # QEMU ends when it gets no thread: 64 disk workers, one for each processor, its own, the shim.
    assert machine_limits(512, 64).tasks > 64 + 64 + 16


def test_confinement_without_systemd_and_cgroups(tmp_path):
    assert detect_confinement(tmp_path, tmp_path / "none") is Confinement.RLIMITS
    for kind in ("cpu", "memory", "pids"):
        assert detect_confinement(tmp_path, tmp_path / "none") is Confinement.RLIMITS
        (tmp_path / kind).mkdir()
    assert detect_confinement(tmp_path, tmp_path / "none") is Confinement.CGROUP1


def test_confinement_with_cgroup2(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert detect_confinement(tmp_path, tmp_path / "none") is Confinement.RLIMITS
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    assert detect_confinement(tmp_path, tmp_path / "none") is Confinement.CGROUP2


async def test_the_console_file_stays_small_and_its_end_is_kept(folder):
    reader = asyncio.StreamReader()
    for number in range(100_000):
        reader.feed_data(b"line %06d\n" % number)
    reader.feed_eof()
    older = folder.console.with_suffix(".log.1")
    files = [os.open(path, os.O_RDWR | os.O_CREAT) for path in (folder.console, older)]
    await keep_console(reader, *files)
    for file in files:
        os.close(file)
    sizes = [path.stat().st_size for path in folder.path.glob("console.log*")]
    assert sum(sizes) <= 256 * 1024 + 8192
    assert read_console(folder, 65536).endswith("line 099999\n")


def test_control_characters_of_a_console_are_made_visible(folder):
    folder.console.write_bytes(b"a\x1b[2Jb\r\nc\xff\x07")
    text = read_console(folder, 100)
    assert text.startswith("a·[2Jb\nc")
    assert "\x07" not in text


async def test_only_the_end_of_stderr_is_kept():
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * 10_000 + b"the end")
    reader.feed_eof()
    text = await _keep_end(reader)
    assert text.endswith("the end")
    assert len(text) == 4096


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (None, "its process was killed"),
        ({"status": 0, "message": ""}, "it was shut down from inside"),  # an older VMLab's
        ({"status": 0, "message": "", "cause": None}, "it was shut down from inside"),
        ({"status": 0, "message": "", "cause": "poweroff"}, "it was shut down from inside"),
        ({"status": 0, "message": "", "cause": "reboot"}, "it was restarted from inside"),
        ({"status": 0, "message": "", "cause": "panic"}, "its kernel crashed (panic)"),
        (
            {"status": 0, "message": "", "cause": "x"},
            "its process ended; the report is not readable",
        ),
        ({"status": 1, "message": "no such disk"}, "QEMU ended with 1: no such disk"),
    ],
)
def test_why_a_machine_does_not_run(folder, report, problem):
    folder.write(Record(folder.path.name, "ada", "desk"), stage=Stage.SEEDED)
    if report:
        folder.exit_report.write_text(json.dumps(report))
    assert machine_status(folder).problem == problem


def test_a_machine_stopped_by_request_has_no_problem(folder):
    folder.write(Record(folder.path.name, "ada", "desk"), stage=Stage.STOPPED)
    assert machine_status(folder).problem == ""


def test_the_url_is_a_unix_socket_as_jupyterhub_writes_it():
    folder = Machine(Path("/var/lib/vmlab/machines/desk-ada-0"))
    expected = "http+unix://%2Fvar%2Flib%2Fvmlab%2Fmachines%2Fdesk-ada-0%2Fserver.sock"
    assert server_url(folder) == expected


def test_a_device_that_may_be_opened_now_is_another_one(tmp_path):
    device = tmp_path / "kvm"
    descriptions = [describe_device(device)]
    device.touch(mode=0o600)
    for mode in (0o600, 0o660):
        device.chmod(mode)
        descriptions.append(describe_device(device))
    assert len(set(descriptions)) == 3
    assert describe_device(device) == descriptions[-1]
