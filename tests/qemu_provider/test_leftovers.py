"""What is left of machines that were killed, and that it goes. Real QEMU, tiny guest."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import psutil
import pytest

from fakes.benches import kill_all, start
from fakes.waiting import LIMIT_S
from vmlab.errors import ProviderError
from vmlab.model import LeftoverKind, MachineState
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process import leftovers
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.upkeep.stop_all import stop_all

pytestmark = pytest.mark.vm


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Leftovers of this moment count, too."""
    monkeypatch.setattr(leftovers, "_HALF_MADE_S", 0.0)


def kill(folder: Machine) -> None:
    """Kill shim and QEMU, as the kernel does when memory runs out."""
    processes = find_processes(folder)
    assert processes
    kill_all(processes)
    psutil.wait_procs(processes, 10)


async def clear_all(bench, unit: str) -> None:
    """Clear until nothing is left.

    The kernel takes a moment to empty the cgroup of processes that have ended: not empty, it is no
    leftover, or cannot be removed yet.
    """
    async with asyncio.timeout(LIMIT_S):
        while (found := await bench.provider.leftovers()) or list(
            Path("/sys/fs/cgroup").glob(f"**/{unit}*")
        ):
            for item in found:
                with contextlib.suppress(ProviderError):
                    await bench.provider.clear(item)
            await asyncio.sleep(0.05)


async def test_a_running_machine_has_none_and_a_killed_one_some(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    assert await bench.provider.leftovers() == []
    folder = Machine.below(bench.settings.state / "machines", spec.name)
    kill(folder)
    found = await bench.provider.leftovers()
    assert {LeftoverKind.SOCKET} <= {item.kind for item in found}
    assert {item.machine for item in found} == {spec.name}
    await clear_all(bench, folder.unit)
    assert await bench.provider.leftovers() == []
    assert folder.root_disk.exists()
    assert (await bench.provider.status([spec.name]))[spec.name].problem == "its process was killed"
    await start(bench.provider, spec, bench.seed())


async def test_processes_of_a_machine_whose_folder_is_gone_are_found_and_ended(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    folder = Machine.below(bench.settings.state / "machines", spec.name)
    unit = folder.unit
    pids = {str(process.pid) for process in find_processes(folder)}
    shutil.rmtree(folder.path)
    found = [i for i in await bench.provider.leftovers() if i.kind is LeftoverKind.PROCESS]
    assert {item.what for item in found} == pids
    for item in found:
        await bench.provider.clear(item)
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)
    for item in await bench.provider.leftovers():
        assert item.kind is LeftoverKind.CGROUP
        assert unit in item.what
    await clear_all(bench, unit)
    assert await bench.provider.leftovers() == []


async def test_several_machines_are_taken_down_at_once_and_nothing_is_left(bench):
    specs = [bench.spec(f"desk-u-{i}", f"home-u-{i}") for i in range(4)]
    await asyncio.gather(*(start(bench.provider, spec, bench.seed()) for spec in specs))
    results = await stop_all(bench.provider)
    assert sorted(r.machine for r in results) == [spec.name for spec in specs]
    assert not any(r.problem or r.forced for r in results)
    states = await bench.provider.status()
    assert {status.state for status in states.values()} == {MachineState.STOPPED}
    assert await bench.provider.leftovers() == []
