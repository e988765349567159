"""A command in a machine at work: the contract of `RunsCommands`, over all that have it."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from fakes.benches import start
from fakes.waiting import wait_until
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.base import Ran, RunsCommands
from vmlab_protocol.notices import Language

NEEDS = (RunsCommands,)
LIMIT_S = 60


async def test_a_running_machine_runs_it_and_no_other_does(bench):
    spec = bench.spec()
    with pytest.raises(GuestError, match=spec.name):
        await bench.provider.run(spec.name, "true", limit_s=LIMIT_S)
    await start(bench.provider, spec, bench.seed())
    assert (await bench.provider.run(spec.name, "true", limit_s=LIMIT_S)).status == 0
    await bench.provider.stop(spec.name)
    with pytest.raises(GuestError, match=spec.name):
        await bench.provider.run(spec.name, "true", limit_s=LIMIT_S)


# -- with a shell ----------------------------------------------------------------------------------


@pytest.fixture
def real(bench):
    if bench.kind == "fake":
        pytest.skip("its machines have no shell")
    return bench


async def test_status_and_output_are_those_of_the_machines_shell(real):
    spec = real.spec()
    await start(real.provider, spec, real.seed())
    ran = await real.provider.run(spec.name, "echo so; exit 3", limit_s=LIMIT_S)
    assert ran == Ran(3, ran.output)
    assert ran.output.strip() == "so"


@pytest.fixture
def own(bench):
    if bench.kind != "processes":
        pytest.skip("its guest is not VMLab's own agent; tests/vm has that one in a real machine")
    return bench


async def test_others_speak_with_the_agent_meanwhile_and_a_restarted_hub_does_too(own, tmp_path):
    spec = own.spec()
    await start(own.provider, spec, own.seed())
    wait = f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo gone"
    async with asyncio.TaskGroup() as group:
        first = group.create_task(own.provider.run(spec.name, wait, limit_s=LIMIT_S))
        await own.provider.set_language(spec.name, Language.FR)
        other = await own.again().run(spec.name, f"touch {tmp_path}/go", limit_s=LIMIT_S)
    assert other.status == 0
    assert first.result() == Ran(0, "gone\n")


async def test_it_is_killed_at_its_limit_and_when_its_caller_is_cancelled(own, tmp_path):
    spec = own.spec()
    await start(own.provider, spec, own.seed())
    with pytest.raises(
        MachineTimeoutError, match=r"`echo begun; sleep 600` took longer than 0\.5 s"
    ):
        await own.provider.run(spec.name, "echo begun; sleep 600", limit_s=0.5)
    command = f"echo $$ >{tmp_path}/pid; exec sleep 600"
    task = asyncio.create_task(own.provider.run(spec.name, command, limit_s=LIMIT_S))
    pid = tmp_path / "pid"
    await asyncio.to_thread(wait_until, lambda: pid.exists() and pid.read_text(), LIMIT_S)
    process = psutil.Process(int(pid.read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(process.wait, LIMIT_S)
