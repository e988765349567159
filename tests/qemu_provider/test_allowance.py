"""A trainee's machine at work against the limit of what they may take of the host's disk."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from fakes.benches import start
from fakes.tiny_guest import make_tiny_image
from vmlab import messages
from vmlab.errors import VolumeConflictError
from vmlab.model import Allowance
from vmlab.upkeep.volumes import Memory, look_after
from vmlab_protocol.snapshots import Reason

pytestmark = pytest.mark.vm

VOLUME, MACHINE = "home-ada-0", "desk-ada-0"
TURNS = 2


def on_disk_mib(state) -> int:
    folders = [state / name for name in ("volumes", "machines", "aside")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks for path in files) * 512 // 2**20


@pytest.mark.attack("volumes.one-limit", "a machine that fills its home after each snapshot")
async def test_a_machine_that_fills_its_home_stays_within_the_limit(bench, tried):
    # Both disks, the rewriting of a full home, and a little: one state of it, and no second one.
    store, limit_mib = bench.provider.volumes, 17 + 65 + 65 + 8
    object.__setattr__(store.context, "allowance", Allowance(64, limit_mib))
    now = store.context.clock()

    async def fill(count: int) -> None:
        await start(bench.provider, bench.spec(), bench.seed(X="TINY_FILL"))
        await bench.hear(MACHINE, "filled", count=count)
        assert on_disk_mib(bench.settings.state) <= limit_mib

    for turn in range(1, TURNS + 1):
        await fill(1)
        object.__setattr__(store.context, "clock", lambda turn=turn: now + turn * 3700)
        await look_after(store.context, bench.provider, Memory())
        (hourly,) = await store.snapshots(VOLUME)
        assert hourly.reason is Reason.HOURLY, "the newest one takes the place of the one before"
        await fill(2)
        assert on_disk_mib(bench.settings.state) > limit_mib - 64, "which came near it"
        if turn < TURNS:
            await bench.provider.set_aside(MACHINE)
    await store.snapshot(VOLUME, Reason.MANUAL)
    await fill(3)
    with pytest.raises(VolumeConflictError, match=f"may take {limit_mib} MiB"):
        await store.snapshot(VOLUME, Reason.MANUAL)
    assert [each.reason for each in await store.snapshots(VOLUME)] == [Reason.MANUAL]
    tried(2 * TURNS + 1)


@pytest.mark.own_cache
async def test_where_an_older_system_disk_has_no_room_its_trainee_is_told(bench, desk_image):
    await start(bench.provider, bench.spec(), bench.seed())
    await bench.provider.stop(MACHINE)
    object.__setattr__(bench.provider.volumes.context, "allowance", Allowance(64, 1))
    images = bench.settings.cache / "images"
    make_tiny_image(desk_image, images, version="of-the-limit")
    async with aclosing(bench.provider.start(bench.spec(), bench.seed())) as events:
        told = [event.notice async for event in events if event.notice]
    assert told == [messages.NEW_SYSTEM_ONLY]
    assert await bench.provider.old_disks(MACHINE) == []
