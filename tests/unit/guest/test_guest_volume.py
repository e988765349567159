"""What the host asks of a running machine for its volume: freeze, thaw, grow, show, hide."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fakes.fake_system import FakeSystem
from vmlab_guest.errors import ApplyError
from vmlab_guest.home import Home
from vmlab_guest.volume import work_on_volume
from vmlab_protocol.messages import HostMessageType

HOME = "/home/trainee"
ID = "hourly-20261127T140000Z"


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.add_disk("vdb", "home")
    system.add_disk("vdc", "snapshot")
    system.mount("/dev/vdb", HOME, "ext4", "")
    (system.root / "sys/class/block/vdb").mkdir(parents=True)
    (system.root / "sys/class/block/vdb/size").write_text("4194304\n")
    return system


@pytest.fixture
def home(system: FakeSystem) -> Home:
    return Home(system)


def shown(system: FakeSystem) -> list[str]:
    text = (system.root / "proc/self/mountinfo").read_text()
    return [x.split()[4] for x in text.splitlines() if x.split()[4].startswith("/snapshots")]


def test_the_home_is_frozen_and_thawed(system, home):
    assert work_on_volume(system, home, HostMessageType.FREEZE, {"limit_s": 10}) == {
        "type": "frozen"
    }
    assert system.frozen == {HOME}
    assert [seconds for seconds, _ in system.clocks] == [10]
    answer = work_on_volume(system, home, HostMessageType.THAW, {})
    assert answer == {"type": "thawed", "was_frozen": True}
    assert not system.frozen
    assert not system.clocks, "the clock runs on"


def test_nobody_who_thaws_means_a_thaw_at_the_limit(system, home):
    home.freeze(10)
    ((_, end_of_limit),) = system.clocks
    end_of_limit()
    assert not system.frozen
    assert "too long" in system.logged[-1]
    assert home.thaw() is False
    home.freeze(10)
    assert home.thaw() is True, "the earlier one does not affect a later one"


def test_a_limit_that_passes_while_freezing_leaves_nothing_frozen(system, home):
    def let_the_limit_pass() -> None:
        ((_, end_of_limit),) = system.clocks
        end_of_limit()

    system.while_freezing = let_the_limit_pass
    with pytest.raises(ApplyError, match="longer than 10 s"):
        home.freeze(10)
    assert not system.frozen


def test_a_kernel_that_refuses_leaves_no_clock(system, home):
    def refuse() -> None:
        raise OSError(errno.EBUSY, "frozen by somebody else")

    system.while_freezing = refuse
    with pytest.raises(OSError, match="somebody else"):
        home.freeze(10)
    assert not system.clocks
    assert home.thaw() is False


def test_nothing_but_a_volume_is_frozen(tmp_path):
    system = FakeSystem(tmp_path / "root")
    with pytest.raises(ApplyError, match="no volume is mounted"):
        Home(system).freeze(10)
    with pytest.raises(ApplyError, match="no volume is mounted"):
        Home(system).grow()
    assert not system.frozen


def test_twice_is_once_too_often(system, home):
    home.freeze(10)
    with pytest.raises(ApplyError, match="already"):
        home.freeze(10)
    assert home.thaw()


@pytest.mark.parametrize("limit", [0, -1, 3600, float("nan"), "10", None, True, [1]])
def test_a_limit_that_is_none_is_refused(system, home, limit):
    with pytest.raises(ApplyError, match="limit_s"):
        work_on_volume(system, home, HostMessageType.FREEZE, {"limit_s": limit})
    assert not system.frozen


def test_an_agent_that_is_started_anew_lets_go(system, home):
    home.freeze(10)
    Home(system).recover()
    assert not system.frozen
    Home(system).recover()  # nothing to do is not a trouble
    assert not [line for line in system.logged if "cannot" in line]


def test_growing_tells_the_disk_s_size(system, home):
    assert work_on_volume(system, home, HostMessageType.GROW, {}) == {
        "type": "grown",
        "size_mib": 2048,
    }
    assert system.commands[-1] == "resize2fs /dev/vdb"


def test_a_snapshot_is_mounted_so_that_nothing_can_be_changed_or_run(system, home):
    assert work_on_volume(system, home, HostMessageType.SHOW, {"id": ID}) == {"type": "shown"}
    options = "ro,noload,nodev,nosuid,noexec"
    assert system.commands[-1] == f"mount -t ext4 -o {options} /dev/vdc /snapshots/{ID}"
    later = "manual-20261127T150000Z"
    work_on_volume(system, home, HostMessageType.SHOW, {"id": later})
    assert shown(system) == [f"/snapshots/{later}"], "one at a time: there is one disk for it"
    for _ in range(2):
        assert work_on_volume(system, home, HostMessageType.HIDE, {}) == {"type": "hidden"}
    assert not shown(system)
    assert not list((system.root / "snapshots").iterdir())


@pytest.mark.parametrize("name", ["../etc", "", None, 1, "hourly-1", f"{ID}/x", f"{ID}\n"])
def test_other_names_are_no_snapshots(system, home, name):
    with pytest.raises(ApplyError, match="not a name of a snapshot"):
        work_on_volume(system, home, HostMessageType.SHOW, {"id": name})
    assert not shown(system)


def test_a_snapshot_whose_disk_does_not_come_is_said(tmp_path):
    system = FakeSystem(tmp_path / "root")
    with pytest.raises(ApplyError, match="no disk of a snapshot appeared"):
        work_on_volume(system, Home(system), HostMessageType.SHOW, {"id": ID})
