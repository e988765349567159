"""Whether somebody works in a machine: what counts, what does not, and from when."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from vmlab_guest.activity import Activity, Look, Process, decide, look, parse_stat
from vmlab_guest.errors import ApplyError
from vmlab_guest.idle import answer_idle, set_warning
from vmlab_protocol.messages import HostMessageType

REST = Look(0.0)
SHELL = Process("bash", 1000, 1.0, group=50, session=50, terminal=34816, foreground=50)
KERNEL = Process("ipykernel", 1000, 9.0, group=60, session=60, terminal=0, foreground=-1)
TAB = Process("jupyterhub-sing", 1000, 90.0, group=40, session=40, terminal=0, foreground=-1)


def at(seconds: float, *processes: Process, **more: Any) -> Look:
    """A look with these processes; each has a pid of its own."""
    return Look(seconds, {(i, 1): p for i, p in enumerate(processes)}, **more)


@pytest.mark.parametrize(
    ("now", "reasons"),
    [
        (at(60, SHELL, KERNEL, TAB), []),
        (at(60, replace(SHELL, foreground=51), KERNEL, TAB), []),
        (at(60, SHELL, KERNEL, replace(TAB, cpu_s=120.0)), []),
        (at(60, SHELL, replace(KERNEL, cpu_s=13.0), TAB), ["processor"]),
        (at(60, SHELL, KERNEL, TAB, busy_kernels=1), ["kernel"]),
        (at(60, SHELL, KERNEL, TAB, typed_ago_s=59), ["terminal"]),
        (at(60, SHELL, KERNEL, TAB, typed_ago_s=61), []),
        (at(60, SHELL, KERNEL, TAB, kept_ago_s=1), ["kept"]),
    ],
)
def test_what_counts_as_work(now, reasons):
    assert decide(at(0, SHELL, KERNEL, TAB), now) == reasons


def test_a_command_in_a_terminal_is_work_also_when_it_only_waits():
    waiting = Process("sleep", 1000, 0.0, group=51, session=50, terminal=34816, foreground=51)
    shell = replace(SHELL, foreground=51)
    assert decide(at(0, shell, waiting), at(60, shell, waiting)) == ["terminal"]
    as_root = replace(waiting, uid=0)
    assert decide(at(0, shell, as_root), at(60, shell, as_root)) == ["terminal"]
    behind = replace(waiting, foreground=50)
    assert decide(at(0, SHELL, behind), at(60, SHELL, behind)) == []


def test_an_open_ssh_session_is_work_and_sshd_itself_is_not():
    session = Process("sshd-session", 1000, 0.0, group=70, session=70, terminal=0, foreground=-1)
    assert decide(at(0), at(60, session)) == ["ssh"]
    assert decide(at(0), at(60, replace(session, uid=0))) == []


def test_idle_time_counts_from_the_seed_and_from_the_last_work():
    activity = Activity(1000.0)
    assert activity.note(at(1060, SHELL)) == (60.0, [])
    assert activity.note(at(1120, SHELL, busy_kernels=1)) == (0.0, ["kernel"])
    assert activity.note(at(1180, SHELL)) == (60.0, [])
    assert activity.note(at(1240, SHELL, typed_ago_s=20.0)) == (20.0, ["terminal"])


looks = st.lists(
    st.tuples(st.floats(1, 1000), st.integers(0, 2), st.floats(0, 1e6)), min_size=1, max_size=20
)


@given(looks)
def test_idle_time_is_never_negative_and_never_longer_than_the_life(steps):
    activity, now_s = Activity(0.0), 0.0
    for step_s, busy, typed_ago_s in steps:
        now_s += step_s
        idle_s, _ = activity.note(at(now_s, busy_kernels=busy, typed_ago_s=typed_ago_s))
        assert 0 <= idle_s <= now_s
        assert not busy or idle_s == 0


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    (system.root / "dev/pts").mkdir()
    (system.root / "run/vmlab-server").mkdir(parents=True)
    return system


def test_the_machine_is_looked_at(system):
    (system.root / "proc/17").mkdir()
    stat = "17 (a) b (c) S 1 17 17 34816 18 0 0 0 0 0 150 50 0 0 20 0 1 0 777 0 0"
    (system.root / "proc/17/stat").write_text(stat)
    for name in ("0", "ptmx"):
        (system.root / "dev/pts" / name).write_text("")
        os.utime(system.root / "dev/pts" / name, (1_699_999_970, 0))
    (system.root / "run/vmlab-server/keep").write_text("")
    os.utime(system.root / "run/vmlab-server/keep", (0, 1_699_999_990))
    seen = look(system, busy_kernels=2)
    assert seen.typed_ago_s == 30
    assert seen.kept_ago_s == 10
    assert seen.busy_kernels == 2
    ((key, process),) = seen.processes.items()
    assert key == (17, 777)
    assert process.name == "a) b (c"
    assert (process.group, process.session, process.terminal, process.foreground) == (
        17,
        17,
        34816,
        18,
    )
    assert process.cpu_s == 200 / os.sysconf("SC_CLK_TCK")


def test_the_host_s_own_processes_can_be_read():
    text = Path("/proc/self/stat").read_text()
    _, process = parse_stat(text, os.getuid())
    assert process.session == os.getsid(0)


def test_a_machine_at_rest_says_so(system):
    activity = Activity(0.0)
    system.tick_ns = 120 * 10**9
    answer = answer_idle(system, activity, HostMessageType.ACTIVITY, {})
    assert answer == {"type": "activity", "idle_s": 120.0, "why": []}


def test_a_machine_without_a_seed_has_nobody_to_be_idle(system):
    with pytest.raises(ApplyError, match="belongs to nobody yet"):
        answer_idle(system, None, HostMessageType.ACTIVITY, {})


def test_a_warning_is_there_for_everybody_to_read_until_it_is_taken_back(system):
    activity = Activity(0.0)
    path = system.root / "run/vmlab/warning.json"
    assert answer_idle(system, activity, HostMessageType.WARN, {"stop_at": 1.8e9}) == {
        "type": "warned"
    }
    assert json.loads(path.read_text()) == {"stop_at": 1.8e9}
    assert path.stat().st_mode & 0o777 == 0o644
    for _ in range(2):
        answer_idle(system, activity, HostMessageType.WARN, {"stop_at": 0})
        assert not path.exists()


@pytest.mark.parametrize("value", [None, "soon", -1, float("inf"), float("nan"), True, [1]])
def test_what_is_no_time_is_no_warning(system, value):
    with pytest.raises(ApplyError, match="is not a time"):
        set_warning(system, value)
