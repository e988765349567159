"""The contract of `vmlab.providers.base.Provider`, over every provider."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from fakes.benches import start, start_until
from vmlab.errors import MachineConflictError, MachineNotFoundError
from vmlab.model import MachineState
from vmlab.providers.base import Provider
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.confine import (
    Confinement,
    Priority,
    detect_confinement,
    weight_files,
)
from vmlab_protocol.phases import Phase

HOST_PHASES = [Phase.IMAGE, Phase.DISK, Phase.VOLUME, Phase.POWER, Phase.BOOT]
GUEST_PHASES = [
    Phase.IDENTITY,
    Phase.KEYS,
    Phase.NETWORK,
    Phase.MOUNTS,
    Phase.EXERCISES,
    Phase.SERVER,
]


def _first_by_a_boot(phases: list[Phase]) -> list[Any]:
    """Return parameters: up to its boot a machine starts otherwise than a clone does."""
    return [pytest.param(phase, marks=pytest.mark.boots) for phase in phases]


async def state(provider: Provider, name: str) -> MachineState:
    return (await provider.status([name]))[name].state


async def test_an_unknown_machine_is_absent(bench):
    assert await state(bench.provider, "desk-nobody-0") is MachineState.ABSENT
    assert await bench.provider.status() == {}


@pytest.mark.boots
async def test_a_start_goes_through_the_phases_in_order(bench):
    spec = bench.spec()
    assert await start(bench.provider, spec, bench.seed()) == HOST_PHASES + GUEST_PHASES
    status = (await bench.provider.status([spec.name]))[spec.name]
    assert status.state is MachineState.RUNNING
    assert status.owner == "ada"
    assert status.url.startswith("http")
    assert status.since > 0
    assert set(await bench.provider.status()) == {spec.name}


async def test_stop_and_delete_are_idempotent(bench):
    spec = bench.spec()
    await bench.provider.stop(spec.name)
    await bench.provider.delete(spec.name)
    await start(bench.provider, spec, bench.seed())
    for _ in range(2):
        await bench.provider.stop(spec.name)
        assert await state(bench.provider, spec.name) is MachineState.STOPPED
    for _ in range(2):
        await bench.provider.delete(spec.name)
        assert await state(bench.provider, spec.name) is MachineState.ABSENT


async def test_starting_a_running_machine_seeds_it_anew(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    before = (await bench.provider.status([spec.name]))[spec.name]
    phases = await start(bench.provider, spec, bench.seed(AGAIN="1"))
    assert phases[-1] is Phase.SERVER
    after = (await bench.provider.status([spec.name]))[spec.name]
    assert after.state is MachineState.RUNNING
    if bench.kind != "fake":
        assert after.since == before.since, "it was powered on again"


async def test_a_stopped_machine_starts_again(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    await bench.provider.stop(spec.name)
    await start(bench.provider, spec, bench.seed())
    assert await state(bench.provider, spec.name) is MachineState.RUNNING


async def test_another_object_sees_and_stops_what_this_one_started(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    other = bench.again()
    assert await state(other, spec.name) is MachineState.RUNNING
    await other.stop(spec.name, now=True)
    assert await state(bench.provider, spec.name) is MachineState.STOPPED


@pytest.mark.parametrize("last", [*_first_by_a_boot(HOST_PHASES), *GUEST_PHASES])
async def test_a_start_cut_at_any_phase_leaves_nothing_running_after_stop(bench, last):
    spec = bench.spec()
    await start_until(bench.provider, spec, bench.seed(), last)
    other = bench.again()
    await other.stop(spec.name)
    assert await state(other, spec.name) in {MachineState.STOPPED, MachineState.ABSENT}
    await start(other, spec, bench.seed())
    assert await state(other, spec.name) is MachineState.RUNNING


@pytest.mark.boots
@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("stop", Phase.VOLUME),
        ("delete", Phase.POWER),
        ("stop", Phase.BOOT),
        ("stop", Phase.MOUNTS),
    ],
)
async def test_a_machine_that_another_object_ends_does_not_start_another_way(bench, end, last):
    """As `vmlab machine kill` does, from a process that knows nothing of the start."""
    spec, other = bench.spec(), bench.again()

    async def go_on() -> None:
        async with aclosing(bench.provider.start(spec, bench.seed())) as events:
            async for event in events:
                if event.phase is last:
                    await getattr(other, end)(spec.name)

    with pytest.raises(MachineConflictError, match=r"switched off|deleted"):
        await go_on()
    assert await state(other, spec.name) in {MachineState.STOPPED, MachineState.ABSENT}


@pytest.mark.parametrize("last", [*_first_by_a_boot([Phase.DISK, Phase.BOOT]), Phase.MOUNTS])
async def test_a_start_cut_at_any_phase_is_resumed_by_another_object(bench, last):
    spec = bench.spec()
    await start_until(bench.provider, spec, bench.seed(), last)
    await start(bench.again(), spec, bench.seed())
    assert await state(bench.provider, spec.name) is MachineState.RUNNING


@pytest.mark.boots
async def test_cancelling_a_start_is_quick(bench):
    spec = bench.spec()
    began = asyncio.Event()

    async def run() -> None:
        async with aclosing(bench.provider.start(spec, bench.seed())) as events:
            async for event in events:
                if event.phase is Phase.BOOT:
                    began.set()

    task = asyncio.create_task(run())
    await began.wait()
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_console_of_an_unknown_machine_is_an_error(bench):
    with pytest.raises(MachineNotFoundError, match="desk-nobody-0"):
        await bench.provider.console("desk-nobody-0")


async def test_the_console_shows_what_the_machine_said(bench):
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    assert "tiny guest" in (text := await bench.provider.console(spec.name)) or "vmlab" in text
    assert len(await bench.provider.console(spec.name, max_bytes=5)) <= 5


async def test_two_machines_at_once(bench):
    specs = [bench.spec(f"desk-u-{i}", f"home-u-{i}") for i in range(2)]
    await asyncio.gather(*(start(bench.provider, spec, bench.seed()) for spec in specs))
    states = await bench.provider.status(spec.name for spec in specs)
    assert {s.state for s in states.values()} == {MachineState.RUNNING}
    assert len({s.url for s in states.values()}) == (1 if bench.kind == "fake" else 2)


async def test_two_starts_of_one_machine_end_in_one_machine(bench):
    spec = bench.spec()
    await asyncio.gather(*(start(bench.provider, spec, bench.seed()) for _ in range(2)))
    assert await state(bench.provider, spec.name) is MachineState.RUNNING
    assert set(await bench.provider.status()) == {spec.name}


async def test_a_machine_that_is_settled_goes_on(bench):
    await bench.provider.note_serving("desk-nobody-0")
    spec = bench.spec()
    await start(bench.provider, spec, bench.seed())
    await bench.provider.note_serving(spec.name)
    assert await state(bench.provider, spec.name) is MachineState.RUNNING
    by_hand = {Confinement.CGROUP1, Confinement.CGROUP2}
    if bench.kind == "qemu" and detect_confinement() in by_hand:
        assert _weight(bench, spec.name) == 1.0, "others that start would wait for it"
        await start(bench.provider, spec, bench.seed(AGAIN="1"))
        assert _weight(bench, spec.name) > 1.0, "somebody waits for it again"


def _weight(bench, name: str) -> float:
    """Return a machine's share of the processors by what the kernel has; 1 is the usual one."""
    unit = Machine.below(bench.settings.state / "machines", name).unit
    ((path, usual),) = weight_files(detect_confinement(), unit, Priority.WORK).items()
    return float(path.read_text()) / float(usual)
