"""Some names on the internet and nothing else: real rules, as root and without."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import psutil
import pytest

from fakes.benches import start
from fakes.waiting import wait_until
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.process.gate import MODULE

from .allowed_names import ask
from .test_event_network import PYTHONPATH, TESTS

LIMIT_S = 180
UNKNOWN, FAILED = 3, 2

# A namespace of processes, too: whatever is left ends with the program.
WAYS = {
    "root": ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    "without root": ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork",
                     "--kill-child", "--mount-proc"],
}  # fmt: skip


@pytest.mark.attack("shares.names", "reaches what the lab does not allow by name")
@pytest.mark.parametrize("way", WAYS)
async def test_allowed_names_are_reached_and_nothing_else(way, tried):
    if way == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    words = [*WAYS[way], sys.executable, "-m", "qemu_provider.allowed_names"]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{PYTHONPATH}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    refused = told.pop("before")
    assert refused != "hello", "nobody had asked for its name"
    assert refused != "TimeoutError", "whoever may not is told at once"
    assert told == {
        "good": [0, "9.9.9.9"],
        "after": "hello",
        "below": [[0, "9.9.9.11"], "hello"],
        "other": [[UNKNOWN], refused],
        # A name that leads to somebody's own address has none, and the resolver stays closed.
        "twisted": [[0], [told["twisted"][1][0]]],
        "missing": [UNKNOWN],
        "texts": [[0], [0]],
        "silent": [FAILED],
        "in capitals": [0, "9.9.9.9"],
        "mark": False,
    }
    assert isinstance(told["twisted"][1][0], str), "only the gate asks the resolver"
    tried(6)


@pytest.mark.vm
@pytest.mark.skipif(os.geteuid() != 0, reason="looking into another namespace needs root")
async def test_a_machine_has_a_gate_that_ends_with_it(bench):
    spec = bench.spec(internet=True, allowed=("good.example",))
    await start(bench.provider, spec, bench.seed())
    machine = Machine.below(bench.settings.state / "machines", spec.name)
    gate, qemu = _find(machine, MODULE), _find(machine, "qemu-system-x86_64")
    inside = ["nsenter", f"--net=/proc/{qemu.pid}/ns/net"]
    script = f"from {ask.__module__} import ask; print(ask('bad.example'))"
    words = [*inside, sys.executable, "-c", script]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{PYTHONPATH}"},
    )  # fmt: skip
    assert done.stdout == f"[{UNKNOWN}]\n", done.stderr
    await bench.provider.stop(spec.name, now=True)
    await asyncio.to_thread(wait_until, lambda: _has_ended(gate))


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether nothing of it is left but what its parent has not asked for yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _find(machine: Machine, word: str) -> psutil.Process:
    """Return the machine's only process with this word on its command line."""
    (found,) = (each for each in find_processes(machine) if word in each.cmdline())
    return found
