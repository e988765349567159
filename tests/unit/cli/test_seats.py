"""How many seats fit, for hosts that nobody has at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.cli.findings import summary
from vmlab.errors import HostError
from vmlab.lab.lab import parse_lab
from vmlab.providers.facts import Level, Measured
from vmlab.providers.qemu.process.admission import (
    MachineMemory,
    MemoryFacts,
    check_room,
)
from vmlab.providers.qemu.process.confine import machine_limits
from vmlab.providers.qemu.seats import count_seats, measured_finding, seats_findings
from vmlab.system.host import RESERVE_MIB, HostFacts
from vmlab.volumes.allowance import full_mib, limit_mib

FILE = Path("/labs/lab.toml")
LAB = parse_lab("[accounts]\ntrainees = 20", FILE)
LIMIT_MIB = machine_limits(512, 1).memory_mib
LAPTOP = HostFacts(cores=4, memory_mib=8000, state_free_mib=9000, cache_free_mib=9000)
FREE = MemoryFacts(available_mib=6000)
MEASURED = Measured(pss_mib=120, disk_mib=4, start_cpu_s=6)


def test_seats_of_a_laptop() -> None:
    seats = count_seats(LAPTOP, FREE, LAB, "tcg", system_mib=2048)
    assert seats.disk == 9000 // limit_mib(LAB.allowance, 2048) == 1
    less = parse_lab('[volume]\ntotal = "3G"\nsize = "512M"', FILE)
    assert count_seats(LAPTOP, FREE, less, "tcg", system_mib=2048).disk == 2
    assert seats.memory == (6000 - RESERVE_MIB) // LIMIT_MIB
    assert seats.processor == 8
    assert seats.fit == min(seats.memory, seats.disk)
    assert count_seats(LAPTOP, FREE, LAB, "kvm").processor > seats.processor


def test_a_seat_is_all_machines_of_a_trainee_and_the_server_is_for_all() -> None:
    text = "[[node]]\ncount = 2\nmemory = '1G'\n[server]\nvolume = '2G'\n[volume]\ntotal = '3G'"
    farm = parse_lab(f"{text}\nsize = '64M'\n[accounts]\ntrainees = 3", FILE)
    large, server = machine_limits(1024, 1).memory_mib, LIMIT_MIB
    host = HostFacts(cores=12, memory_mib=99_000, state_free_mib=40_000, cache_free_mib=9000)
    seats = count_seats(host, MemoryFacts(50_000), farm, "tcg", system_mib=500)
    assert seats.memory == (50_000 - RESERVE_MIB - server) // (LIMIT_MIB + 2 * large)
    spare_mib = host.state_spare_mib - full_mib(500) - full_mib(2048)
    assert seats.disk == spare_mib // limit_mib(farm.allowance, 500)
    assert seats.processor == 12 * 2 // 3
    running = count_seats(host, MemoryFacts(50_000), farm, "tcg", running=7, measured=MEASURED)
    assert running.running == 2, "two groups of three, and the server"
    assert running.last_ready_s == 3 * 3 * 6 / 12


def test_what_was_measured_tells_idle_seats_and_when_the_last_is_ready() -> None:
    seats = count_seats(LAPTOP, FREE, LAB, "tcg", measured=MEASURED)
    assert seats.idle == (6000 - RESERVE_MIB) // 120
    assert seats.last_ready_s == 20 * 6 / 4
    full_disk = HostFacts(cores=4, memory_mib=8000, state_free_mib=20, cache_free_mib=0)
    assert count_seats(full_disk, FREE, LAB, "tcg", measured=MEASURED).idle == 5
    unknown = count_seats(LAPTOP, FREE, LAB, "tcg")
    assert (unknown.idle, unknown.last_ready_s, unknown.measured) == (None, None, None)


def test_seats_that_are_taken_are_seats() -> None:
    machines = (MachineMemory("/s/machines/a", LIMIT_MIB, 132),) * 3
    seats = count_seats(
        LAPTOP, MemoryFacts(6000 - 3 * 132, machines), LAB, "tcg", running=3, measured=MEASURED
    )
    assert seats.running == 3
    assert seats.memory == count_seats(LAPTOP, FREE, LAB, "tcg").memory
    assert seats.idle is not None
    assert seats.idle > 3


def test_overcommit_makes_seats() -> None:
    lab = parse_lab("[provider]\novercommit = 2", FILE)
    assert count_seats(LAPTOP, FREE, lab, "tcg").memory == 2 * (6000 - RESERVE_MIB) // LIMIT_MIB


def test_what_does_not_fit_is_a_warning_with_advice() -> None:
    seats = count_seats(LAPTOP, FREE, LAB, "tcg")
    findings = seats_findings(LAPTOP, FREE, seats, LAB)
    assert [f.level for f in findings] == [Level.WARN] * 3
    assert all(f.advice for f in findings)
    big = HostFacts(cores=64, memory_mib=2**17, state_free_mib=2**20, cache_free_mib=2**20)
    memory = MemoryFacts(2**17)
    enough = count_seats(big, memory, LAB, "tcg")
    assert [f.level for f in seats_findings(big, memory, enough, LAB)] == [Level.OK] * 3


def test_the_advice_to_overcommit_is_enough_and_only_given_when_it_can_work() -> None:
    seats = count_seats(LAPTOP, FREE, LAB, "tcg", measured=MEASURED)
    advice = seats_findings(LAPTOP, FREE, seats, LAB)[0].advice
    _, _, text = advice.partition("overcommit = ")
    factor = float(text.split(",")[0])
    lab = parse_lab(f"[accounts]\ntrainees = 20\n[provider]\novercommit = {factor}", FILE)
    assert count_seats(LAPTOP, FREE, lab, "tcg").memory >= 20
    heavy = count_seats(LAPTOP, FREE, LAB, "tcg", measured=Measured(600, 4, 6))
    assert "overcommit" not in seats_findings(LAPTOP, FREE, heavy, LAB)[0].advice
    assert (
        "overcommit"
        not in seats_findings(LAPTOP, FREE, count_seats(LAPTOP, FREE, LAB, "tcg"), LAB)[0].advice
    )


def test_what_was_never_measured_is_said_with_the_command_that_measures() -> None:
    finding = measured_finding("desk", None)
    assert finding.level is Level.WARN
    assert finding.advice == "vmlab image template desk"
    assert "120 MiB" in measured_finding("desk", MEASURED).found


def test_the_summary_and_the_json_tell_what_limits() -> None:
    seats = count_seats(LAPTOP, FREE, LAB, "tcg", measured=MEASURED)
    assert summary(seats).startswith("2 seats of this lab fit when every trainee fills")
    assert "(disk runs out first), 43 when they are idle" in summary(seats)
    body = seats.as_json()
    assert {"memory", "disk", "processor", "wanted", "fit"} <= set(body)
    assert body["measured"] == {"pss_mib": 120, "disk_mib": 4, "start_cpu_s": 6}
    assert body["limited_by"] == "disk"


@given(
    cores=st.integers(1, 512),
    available_mib=st.integers(0, 2**24),
    state_free_mib=st.integers(0, 2**30),
    machines=st.lists(st.builds(MachineMemory, st.just(""), st.integers(0, 4096)), max_size=20),
    overcommit=st.floats(1, 10),
)
def test_admission_lets_in_as_many_as_the_doctor_says(
    cores: int,
    available_mib: int,
    state_free_mib: int,
    machines: list[MachineMemory],
    overcommit: float,
) -> None:
    lab = parse_lab(f"[provider]\novercommit = {overcommit!r}", FILE)
    facts = HostFacts(cores, 0, state_free_mib, 0)
    memory = MemoryFacts(available_mib, tuple(machines))
    seats = count_seats(facts, memory, lab, "kvm")
    assert seats.fit >= 0
    if seats.memory:
        check_room(seats.memory * LIMIT_MIB, memory, overcommit)
    with pytest.raises(HostError):
        check_room((seats.memory + 1) * LIMIT_MIB, memory, overcommit)
