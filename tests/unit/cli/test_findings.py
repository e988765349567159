"""What the doctor concludes, for hosts that nobody has at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.cli.findings import (
    Level,
    Seats,
    accelerator_finding,
    address_finding,
    count_seats,
    limits_finding,
    seats_findings,
    userns_finding,
)
from vmlab.host import HostFacts
from vmlab.lab import parse_lab
from vmlab.providers.qemu.confine import Confinement

FILE = Path("/labs/lab.toml")
LAB = parse_lab("[accounts]\ntrainees = 20", FILE)
LAPTOP = HostFacts(
    cores=4, memory_mib=8000, available_mib=6000, state_free_mib=9000, cache_free_mib=9000
)


def test_seats_of_a_laptop() -> None:
    seats = count_seats(LAPTOP, LAB, "tcg")
    assert seats.disk == 9000 // (1024 + 1024)
    assert seats.memory * (512 + 100) < 6000 - 1024, "QEMU's own memory counts too"
    assert seats.processor == 8
    assert seats.fit == min(seats.memory, seats.disk)
    assert count_seats(LAPTOP, LAB, "kvm").processor > seats.processor


def test_what_does_not_fit_is_a_warning_with_advice() -> None:
    findings = seats_findings(LAPTOP, count_seats(LAPTOP, LAB, "tcg"))
    assert [f.level for f in findings] == [Level.WARN] * 3
    assert all(f.advice for f in findings)
    enough = Seats(memory=20, disk=20, processor=20, wanted=20)
    assert [f.level for f in seats_findings(LAPTOP, enough)] == [Level.OK] * 3


@given(
    st.builds(
        HostFacts,
        cores=st.integers(1, 512),
        memory_mib=st.integers(0, 2**24),
        available_mib=st.integers(0, 2**24),
        state_free_mib=st.integers(0, 2**30),
        cache_free_mib=st.integers(0, 2**30),
    )
)
def test_seats_are_never_negative_and_never_more_than_memory_holds(facts: HostFacts) -> None:
    seats = count_seats(facts, LAB, "kvm")
    assert seats.fit >= 0
    assert seats.fit * LAB.machine.memory_mib <= facts.available_mib


def test_emulation_is_a_warning_that_tells_why() -> None:
    finding = accelerator_finding("tcg", "there is no /dev/kvm")
    assert (finding.level, finding.found) == (Level.WARN, "there is no /dev/kvm")
    assert accelerator_finding("kvm", "").level is Level.OK
    closed = accelerator_finding("tcg", "software emulation, because /dev/kvm may not be opened")
    assert "adduser" in closed.advice


@pytest.mark.parametrize("is_root", [True, False])
def test_without_namespaces_no_machine_can_run(is_root: bool) -> None:
    finding = userns_finding("unshare failed: Operation not permitted", is_root=is_root)
    assert finding.level is Level.FAIL
    assert finding.advice
    assert userns_finding("", is_root=is_root).level is Level.OK


def test_limits() -> None:
    assert limits_finding(Confinement.RLIMITS).level is Level.WARN
    assert limits_finding(Confinement.SYSTEMD).level is Level.OK


@pytest.mark.parametrize(
    ("address", "level"), [("127.0.0.1", Level.OK), ("::1", Level.OK), ("0.0.0.0", Level.WARN)]
)
def test_who_can_reach_the_hub(address: str, level: Level) -> None:
    lab = parse_lab(f'[hub]\naddress = "{address}"', FILE)
    assert address_finding(lab).level is level
