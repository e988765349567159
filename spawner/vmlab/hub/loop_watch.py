"""How long the hub's event loop is blocked: a measuring aid, off unless asked for.

    VMLAB_LOOP_WATCH=/path/file.jsonl vmlab up

Once a second a line is added with the worst of that second; `read_blocks` reads them:

- `callback_ms`: the longest that one callback ran, `callback_cpu_ms` of it on a processor (the rest
  is the operating system's, which gave the processor to somebody else), and `callback` which one.
  Meanwhile nothing else of the hub could run: this is the loop being blocked.
- `gc_ms`: the longest run of the garbage collector, which is part of some callback.
- `late_ms`: how late a timer fired at worst. Many short callbacks that are due together make it
  late as well: this is the loop's backlog.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import time
from asyncio import events
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vmlab.system.background import Job, begin
from vmlab.system.outside import as_facts
from vmlab_protocol.outside import load_json

VARIABLE = "VMLAB_LOOP_WATCH"

_BEAT_S = 0.01
_LINE_S = 1.0
_SHOWN = 300


@dataclass(frozen=True)
class Block:
    """The worst of one second. `at` is when it ended, in seconds since the epoch."""

    at: float = 0.0
    callback_ms: float = 0.0
    callback_cpu_ms: float = 0.0
    callback: str = ""
    gc_ms: float = 0.0
    late_ms: float = 0.0


def watch_if_asked(state: Path) -> None:
    """Begin to watch the running loop if the environment asks for it; else no-op."""
    path = os.environ.get(VARIABLE)
    if path:
        begin(state, Job("loop watch", partial(watch, Path(path)), _LINE_S, longest_s=math.inf))


async def watch(path: Path) -> None:
    """Add a line to the file every second, until cancelled. Slows each callback by about 1 µs."""
    meter = _Meter()
    original = events.Handle._run
    meter.install()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_beat(meter))
            while True:
                await asyncio.sleep(_LINE_S)
                await asyncio.to_thread(_append, path, meter.take())
    finally:
        events.Handle._run = original  # type: ignore[method-assign]
        gc.callbacks.remove(meter.note_collector)


async def _beat(meter: _Meter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        meter.late_s = max(meter.late_s, loop.time() - due)


def read_blocks(path: Path, since: float = 0.0) -> list[Block]:
    """Return the lines after this time (seconds since the epoch), oldest first.

    Raises:
        ValueError: the file holds something else.
    """
    blocks = (as_facts(Block, load_json(line)) for line in path.read_bytes().splitlines())
    return [block for block in blocks if block.at > since]


def worst(blocks: Iterable[Block]) -> Block:
    """Return the longest callback, and the worst other values, perhaps of other seconds."""
    known = [Block(), *blocks]
    return replace(
        max(known, key=lambda block: block.callback_ms),
        gc_ms=max(block.gc_ms for block in known),
        late_ms=max(block.late_ms for block in known),
    )


class _Meter:
    """Times every callback of the loop."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self._longest = (0.0, 0.0, "")
        self._gc_began = self._gc_s = 0.0

    def install(self) -> None:
        """Replace the method that runs a callback by one that times it; watch the collector."""
        run, clock, cpu_clock = events.Handle._run, time.perf_counter, time.thread_time

        def timed(handle: Any) -> None:
            began, cpu_began = clock(), cpu_clock()
            run(handle)
            spent = clock() - began
            if spent > self._longest[0]:
                self._longest = (spent, cpu_clock() - cpu_began, _describe(handle))

        events.Handle._run = timed  # type: ignore[method-assign, assignment]
        gc.callbacks.append(self.note_collector)

    def note_collector(self, phase: str, _info: Mapping[str, int]) -> None:
        """Time a run of the garbage collector."""
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._gc_s = max(self._gc_s, time.perf_counter() - self._gc_began)

    def take(self) -> Block:
        """Return the worst since the last call."""
        spent_s, cpu_s, name = self._longest
        late_s, gc_s = self.late_s, self._gc_s
        self.late_s, self._gc_s, self._longest = 0.0, 0.0, (0.0, 0.0, "")
        return Block(
            at=time.time(),
            callback_ms=round(spent_s * 1000, 2),
            callback_cpu_ms=round(cpu_s * 1000, 2),
            callback=name,
            gc_ms=round(gc_s * 1000, 2),
            late_ms=round(late_s * 1000, 2),
        )


def _describe(handle: Any) -> str:
    """Name a callback; that of a task by where the task's coroutine now waits."""
    task = getattr(handle._callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return repr(handle._callback)[:_SHOWN]
    coroutine: Any = task.get_coro()
    parts = [getattr(coroutine, "__qualname__", "?")]
    while (inner := getattr(coroutine, "cr_await", None)) is not None and hasattr(inner, "cr_code"):
        coroutine = inner
        parts.append(f"{inner.__qualname__}:{inner.cr_frame.f_lineno if inner.cr_frame else '?'}")
    return " > ".join(parts)[:_SHOWN]


def _append(path: Path, block: Block) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(block)) + "\n")
