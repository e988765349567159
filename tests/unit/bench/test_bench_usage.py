"""Looking at processes and files, with those of this test."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from vmlab.bench import usage
from vmlab.bench.host_facts import parse_processor
from vmlab.bench.rounds import one_line, reason
from vmlab.errors import HostError

ROLLUP = """\
5581c0000000-7ffd4d5b9000 ---p 00000000 00:00 0                  [rollup]
Rss:              139088 kB
Pss:               98304 kB
Pss_Dirty:         61440 kB
Private_Clean:      1024 kB
Private_Dirty:     51200 kB
"""


def test_memory_is_read_from_its_own_lines():
    assert usage.parse_rollup(ROLLUP) == usage.MemoryUse(96.0, 51.0)
    assert usage.parse_rollup("") == usage.MemoryUse()


def test_memory_of_this_process():
    use = usage.memory_use([psutil.Process(), psutil.Process()])
    assert use.pss_mib >= use.private_mib > 1


def test_a_process_is_found_by_the_file_that_it_holds_open(tmp_path: Path):
    lock = tmp_path / "shim.lock"
    with lock.open("w"):
        assert os.getpid() in [process.pid for process in usage.find_processes(lock)]
        moved = lock.rename(tmp_path / "moved.lock")
        assert os.getpid() in [process.pid for process in usage.find_processes(moved)]
    assert usage.find_processes(moved) == []


def test_processor_time_is_split_at_the_earlier_look():
    me = psutil.Process()
    earlier = usage.read_cpu_times()
    known = earlier[me.pid, me.create_time()]
    use = usage.cpu_use([me], earlier)
    assert use.before_s == known
    assert use.since_s >= 0
    fresh = usage.cpu_use([me], {})  # it began after the look
    assert fresh.before_s == 0
    assert fresh.since_s >= known


def test_disk_counts_blocks_and_not_holes(tmp_path: Path):
    inner = tmp_path / "inner"
    inner.mkdir()
    with (inner / "hole").open("wb") as file:
        file.truncate(2**30)
    assert usage.disk_mib([tmp_path]) < 1
    (inner / "full").write_bytes(os.urandom(2 * 2**20))
    (inner / "link").symlink_to("full")
    assert 1.9 < usage.disk_mib([tmp_path]) < 3
    assert usage.disk_mib([inner / "full", inner / "gone"]) >= 1.9


def test_nothing_of_this_test_counts_as_left_behind(tmp_path: Path):
    assert usage.find_stragglers(tmp_path) == []


def test_the_processor_has_a_name():
    assert parse_processor("processor\t: 0\nmodel name\t: AMD EPYC\n") == "AMD EPYC"
    assert parse_processor("") == ""


def test_reasons_are_one_line():
    assert one_line("a\n  b\n") == "a b"
    assert reason(HostError("the hub ended", hint="log:\n  KeyError: 'x'")) == (
        "the hub ended: KeyError: 'x'"
    )
    assert reason(ExceptionGroup("several", [OSError("full")])) == "OSError: full"
    assert reason(TimeoutError()) == "not done within 1800 s"
