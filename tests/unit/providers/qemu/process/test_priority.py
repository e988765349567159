"""Which share of the processors a machine has, as the kernel is told."""

from __future__ import annotations

from pathlib import Path

from vmlab.providers.qemu.process.confine import Confinement, Priority, weight_files

ROOT = Path("/cg")


def test_shares_by_the_kind_of_cgroup():
    assert weight_files(Confinement.CGROUP2, "vmlab-x", Priority.START, ROOT) == {
        ROOT / "vmlab-x/cpu.weight": "100"
    }
    assert weight_files(Confinement.CGROUP2, "vmlab-x", Priority.SPARE, ROOT) == {
        ROOT / "vmlab-x/cpu.weight": "1"
    }
    assert weight_files(Confinement.CGROUP1, "vmlab-x", Priority.WORK, ROOT) == {
        ROOT / "cpu/vmlab-x/cpu.shares": "51"
    }


def test_where_cgroups_are_not_ours_nothing_is_written():
    for kind in (Confinement.RLIMITS, Confinement.SYSTEMD):
        assert weight_files(kind, "vmlab-x", Priority.START, ROOT) == {}


def test_who_starts_goes_before_who_works_and_spares_come_last():
    assert Priority.START.value > Priority.WORK.value > Priority.SPARE.value
