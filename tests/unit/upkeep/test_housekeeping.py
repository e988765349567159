"""What the hub does when nobody waits for a machine."""

from __future__ import annotations

import asyncio
import gc

import pytest

from fakes.endings import frozen_at_end
from vmlab.errors import HostError
from vmlab.spawning.slots import StartSlots
from vmlab.upkeep import housekeeping
from vmlab.upkeep.housekeeping import Housekeeping, start_housekeeping


@pytest.fixture
def collections(monkeypatch):
    """What was asked of the collector."""
    asked: asyncio.Queue[str] = asyncio.Queue()
    for name in ("collect", "freeze", "unfreeze"):
        monkeypatch.setattr(gc, name, lambda name=name: asked.put_nowait(name))
    monkeypatch.setattr(housekeeping, "_POLL_S", 0.0)
    monkeypatch.setattr(housekeeping, "_PERIOD_S", 0.0)
    thresholds = gc.get_threshold()
    yield asked
    gc.set_threshold(*thresholds)


async def test_collections_wait_for_a_quiet_moment(collections, tmp_path):
    now = 0.0
    slots = StartSlots(1, clock=lambda: now)

    async def ignore(place: int) -> None:
        pass

    async with slots.hold(ignore, 1.0):
        start_housekeeping(slots, tmp_path, tmp_path / "hub.sqlite")
        now = 1000.0
        for _ in range(20):
            await asyncio.sleep(0)
        assert collections.empty()
    now += housekeeping._QUIET_S
    asked = [await collections.get() for _ in range(5)]
    assert asked == ["unfreeze", "collect", "freeze", "collect", "freeze"]


def test_python_makes_no_full_collection_by_itself(collections, tmp_path):
    before = gc.get_threshold()

    async def begin() -> None:
        start_housekeeping(StartSlots(1), tmp_path, tmp_path / "hub.sqlite")

    asyncio.run(begin())
    assert gc.get_threshold()[:2] == before[:2]
    assert gc.get_threshold()[2] >= 10**6


def test_no_op_without_a_loop(collections, tmp_path):
    before = gc.get_threshold()
    start_housekeeping(StartSlots(1), tmp_path, tmp_path / "hub.sqlite")
    assert gc.get_threshold() == before


async def test_a_database_that_cannot_be_tidied_is_told(collections, tmp_path):
    slots = StartSlots(1, clock=iter((0.0, *([1e6] * 1000))).__next__)
    with pytest.raises(HostError, match=r"hub\.sqlite could not be tidied"):
        await Housekeeping(slots, tmp_path / "gone" / "hub.sqlite").tidy()


def test_the_end_of_the_hub_does_not_wait_for_collections(tmp_path):
    code = f"""
import asyncio
from pathlib import Path
from vmlab.spawning.slots import StartSlots
from vmlab.upkeep.housekeeping import start_housekeeping

async def hub():
    folder = Path({str(tmp_path)!r})
    start_housekeeping(StartSlots(1), folder, folder / "hub.sqlite")

asyncio.run(hub())
"""
    assert frozen_at_end(code) > 10_000
