"""The measuring aid for the hub's event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from asyncio import events

import pytest

from vmlab.hub import loop_watch
from vmlab.hub.loop_watch import Block, read_blocks, watch, watch_if_asked, worst
from vmlab.system.job_states import jobs_path

BLOCK_S = 0.1
PATIENCE_S = 2.0
"""Longer than a busy host keeps a callback from the processor."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(loop_watch, "_LINE_S", 0.0)
    monkeypatch.setattr(loop_watch, "_BEAT_S", 0.001)
    return tmp_path / "loop.jsonl"


async def watched(file, work) -> list[Block]:
    before = events.Handle._run, list(gc.callbacks)
    watching = asyncio.create_task(watch(file))
    while not file.exists():  # noqa: ASYNC110 - another thread writes it
        await asyncio.sleep(0.001)
    await asyncio.create_task(work())
    lines = len(read_blocks(file))
    while len(read_blocks(file)) < lines + 2:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.001)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert (events.Handle._run, list(gc.callbacks)) == before, "nothing of it stays"
    return read_blocks(file)


async def test_a_callback_that_blocks_is_found_by_name(file):
    async def sluggish() -> None:
        time.sleep(BLOCK_S)  # noqa: ASYNC251 - it is what this is about

    blocks = await watched(file, sluggish)
    # A busy host may hold up any other callback for longer, in another line of the file.
    found = max((b for b in blocks if "sluggish" in b.callback), key=lambda b: b.callback_ms)
    assert found.callback_ms >= BLOCK_S * 1000
    assert worst(blocks).late_ms >= BLOCK_S * 500


async def test_waiting_is_not_blocking(file):
    async def patient() -> None:
        await asyncio.sleep(PATIENCE_S)

    blocks = await watched(file, patient)
    assert all(b.callback_ms < PATIENCE_S * 1000 for b in blocks if "patient" in b.callback)


def test_the_worst_of_several_seconds(tmp_path):
    blocks = [
        Block(at=1.0, callback_ms=5.0, callback="a", gc_ms=1.0, late_ms=70.0),
        Block(at=2.0, callback_ms=9.0, callback="b", gc_ms=3.0, late_ms=20.0),
    ]
    assert worst(blocks) == Block(at=2.0, callback_ms=9.0, callback="b", gc_ms=3.0, late_ms=70.0)
    assert worst([]) == Block()
    file = tmp_path / "loop.jsonl"
    for block in blocks:
        loop_watch._append(file, block)
    assert read_blocks(file, since=1.0) == blocks[1:]


async def test_nothing_is_watched_unless_asked(monkeypatch, tmp_path):
    monkeypatch.delenv(loop_watch.VARIABLE, raising=False)
    before = events.Handle._run
    watch_if_asked(tmp_path)
    await asyncio.sleep(0)
    assert events.Handle._run is before
    assert not jobs_path(tmp_path).exists()
