"""A real QEMU: what it says of its guest's end, and what clocks do while a guest is halted."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from fakes.benches import start
from fakes.waiting import LIMIT_S
from vmlab.model import EndCause, MachineState
from vmlab.providers.agent.asking import tell_time
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import Machine

MACHINE = "desk-ada-0"


async def await_end(bench):
    async with asyncio.timeout(LIMIT_S):
        while True:
            status = (await bench.provider.status([MACHINE]))[MACHINE]
            if not status.state.is_on:
                return status
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("TINY_REBOOT", EndCause.REBOOT),
        ("TINY_PANIC", EndCause.PANIC),
        ("TINY_LEAVE", EndCause.POWEROFF),
    ],
)
async def test_a_reboot_a_panic_and_a_power_off_are_told_apart(bench, word, cause):
    await start(bench.provider, bench.spec(), bench.seed(X=word))
    status = await await_end(bench)
    assert (status.state, status.cause) == (MachineState.STOPPED, cause)
    assert status.problem
    await start(bench.provider, bench.spec(), bench.seed())
    status = (await bench.provider.status([MACHINE]))[MACHINE]
    assert (status.state, status.cause, status.problem) == (MachineState.RUNNING, None, "")


async def test_a_guest_that_was_halted_is_behind_and_its_board_s_clock_is_not(bench):
    """What the agent relies on to notice by itself (`vmlab_guest.clock`); and it is told."""
    await start(bench.provider, bench.spec(), bench.seed())
    folder = Machine(bench.settings.state / "machines" / MACHINE)
    before = await clocks(bench, folder, 1)
    async with open_monitor(MACHINE, folder.qmp) as monitor:
        await monitor.pause()
        halted = time.monotonic()
        await asyncio.sleep(10)  # the pause itself
        halted_s = time.monotonic() - halted
        await monitor.resume()
    after = await clocks(bench, folder, 2)
    host_s, up_s, board_s = (b - a for a, b in zip(before, after, strict=True))
    # The guest reads its clocks when it has its turn, which a busy host gives it late.
    assert up_s <= host_s - halted_s / 2, "it slept"
    assert board_s >= halted_s / 2, "the clock on the board went on"


async def clocks(bench, folder: Machine, count: int) -> tuple[float, float, float]:
    """Return what the host told the guest, how long the guest is up, and its board's clock."""
    await tell_time(bench.provider, MACHINE)
    await bench.hear(MACHINE, " rtc ", count=count)
    said = re.findall(r"time (\d+)\} up ([\d.]+) rtc (\d+)", await bench.provider.console(MACHINE))
    told_ns, up_s, rtc_s = said[-1]
    return int(told_ns) / 1e9, float(up_s), float(rtc_s)
