"""What one trainee may take of the host's disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmlab.model import Allowance, DiskKind, DiskPart
from vmlab.volumes.allowance import (
    Use,
    full_mib,
    largest_volume_mib,
    limit_mib,
    volume_most_mib,
    with_system_disks,
)

SIZES = st.integers(64, 4096 * 1024)


def part(kind: DiskKind, taken: int, most: int = 0, at: float = 0.0, path: str = "x") -> DiskPart:
    return DiskPart(kind, "ada", "n", path, taken, most or taken, at)


def test_the_default_lab():
    assert limit_mib(Allowance(1024), 6144) == full_mib(6144) + 4 * full_mib(1024) == 10255
    assert limit_mib(Allowance(1024, 8192), 6144) == 8192
    assert largest_volume_mib(Allowance(1024), 6144) == 4098
    assert largest_volume_mib(Allowance(1024, 8192), 6144) == 2038


def test_nodes_have_system_disks_and_volumes_of_their_own():
    farm = Allowance(1024, nodes=3, node_volumes_mib=2048)
    volumes = full_mib(1024) + (2048 + 2 + 3)
    assert limit_mib(farm, 6144) == 4 * full_mib(6144) + 4 * volumes == 36920
    assert largest_volume_mib(farm, 6144) > 1024
    there = part(DiskKind.MACHINE, 3, 17)
    first, missing = with_system_disks([there], "ada", 16, 4)
    assert first == there
    assert missing.most_mib == 3 * full_mib(16)


def test_nodes_without_volumes_take_system_disks_only():
    plain = Allowance(1024)
    farm = Allowance(1024, nodes=3)
    assert limit_mib(farm, 6144) - limit_mib(plain, 6144) == 3 * full_mib(6144)


@given(SIZES, st.integers(0, 2**20), SIZES, st.lists(SIZES, max_size=9), st.integers(0, 9))
def test_a_group_that_was_promised_always_fits(size, total, system, volumes, without):
    nodes = len(volumes) + without
    farm = Allowance(size, total, nodes, sum(volumes))
    disks = (1 + nodes) * full_mib(system) + sum(full_mib(volume) for volume in volumes)
    assert limit_mib(farm, system, size) >= disks + full_mib(size)
    largest = largest_volume_mib(farm, system)
    assert largest >= size
    if largest > size:
        assert disks + full_mib(largest) <= limit_mib(farm, system)


@given(SIZES, st.integers(0, 2**20), SIZES, SIZES)
def test_a_machine_that_was_promised_always_fits(size, total, system, volume):
    allowance = Allowance(size, total)
    assert limit_mib(allowance, system, volume) >= full_mib(system) + full_mib(volume)
    largest = largest_volume_mib(allowance, system)
    assert largest >= size
    if largest > size:
        assert full_mib(system) + full_mib(largest) <= limit_mib(allowance, system)


@given(st.integers(64, 10_000), st.integers(0, 50_000))
def test_a_snapshot_means_that_all_may_be_written_once_more(size, taken):
    assert volume_most_mib(size, taken, has_snapshots=True) == taken + full_mib(size)
    assert volume_most_mib(size, taken, has_snapshots=False) == max(taken, full_mib(size))


def test_everything_counts_as_what_it_may_come_to():
    use = Use("ada", 100, (part(DiskKind.VOLUME, 10, 40), part(DiskKind.COPY, 30, 20)))
    assert (use.taken_mib, use.most_mib, use.spare_mib) == (40, 70, 30)


def test_a_machine_that_is_not_there_counts_as_the_one_that_will_be():
    (machine,) = with_system_disks([], "ada", 16)
    assert (machine.taken_mib, machine.most_mib) == (0, full_mib(16))
    there = [part(DiskKind.MACHINE, 3, 17)]
    assert with_system_disks(there, "ada", 16) == there
    assert with_system_disks([], "ada", 0) == []


def test_what_is_kept_for_diagnosis_goes_first_and_the_oldest_of_it():
    parts = (
        part(DiskKind.ASIDE, 5, at=3, path="a3"),
        part(DiskKind.OLD_DISK, 5, at=1, path="o1"),
        part(DiskKind.VOLUME, 5, path="v"),
        part(DiskKind.DELETED, 5, path="d"),
        part(DiskKind.ASIDE, 5, at=2, path="a2"),
    )
    use = Use("ada", 100, parts)
    assert [found.path for found in use.made_anew()] == ["o1", "a2", "a3"]
    assert use.without(parts[0]).taken_mib == 20
