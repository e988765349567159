"""The shim before it runs anything: it locks the machine, says so, and waits for what to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.launch import SHIM_MODULE, SHIM_PYTHONPATH
from vmlab.system.locks import lock_holder


def launch(folder: Machine) -> subprocess.Popen[str]:
    words = [sys.executable, "-s", "-S", "-m", SHIM_MODULE, str(folder.shim_lock)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": SHIM_PYTHONPATH}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, env=env, cwd="/", text=True)


@pytest.mark.attack("worker.processes", "a launcher dies before it has said what is to run")
def test_a_shim_that_is_told_nothing_is_known_by_its_lock_and_leaves_nothing(tmp_path: Path, tried):
    folder = Machine(tmp_path)
    with launch(folder) as first:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline()) == {"locked": True}
        (found,) = find_processes(folder)
        assert found.pid == lock_holder(str(folder.shim_lock)) != first.pid
        with launch(folder) as second:
            assert second.stdout is not None
            assert "BlockingIOError" in json.loads(second.stdout.readline())["error"]
        first.communicate()  # as when the launcher dies
    wait_until(lambda: not folder.is_running())
    assert [path.name for path in tmp_path.iterdir()] == ["shim.lock"]
    tried(2)
