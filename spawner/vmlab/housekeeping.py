"""What the hub does when nobody waits for a machine: collect garbage, tidy its database.

A full garbage collection looks at every object of the hub and blocks it meanwhile: 0.2 s of a
processor with a hundred trainees. Python makes one whenever enough objects are new, which is in
the middle of a class's start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
from itertools import cycle
from pathlib import Path

from vmlab.hub_database import carry_over
from vmlab.slots import StartSlots

_LOOK_S = 5.0
_QUIET_S = 15.0
"""Without a start for so long; also longer than the hub takes to load what it keeps for ever."""

_LONGEST_S = 900.0
"""After so long it is done even when it is never quiet."""

_PERIOD_S = 60.0
_PER_THOROUGH = 60
"""One of so many collections looks at everything; the others at what is new since the last one."""

_NEVER = 1_000_000
"""Collections of the middle generation before Python makes a full one by itself."""

_log = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references


def keep_house(slots: StartSlots, hub_database: Path) -> None:
    """Keep house as long as this hub runs; no-op where no event loop runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # `jupyterhub` reads its configuration for other commands too
        return
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    task = loop.create_task(_keep_house(slots, hub_database), name="housekeeping")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _keep_house(slots: StartSlots, hub_database: Path) -> None:
    for turn in cycle(range(_PER_THOROUGH)):
        await _wait_until_quiet(slots)
        if turn == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        try:
            await asyncio.to_thread(carry_over, hub_database)
        except sqlite3.Error as error:
            _log.warning("%s grows: %s", hub_database, error)
        await asyncio.sleep(_PERIOD_S)


async def _wait_until_quiet(slots: StartSlots) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time() + _LONGEST_S
    while slots.idle_s() < _QUIET_S and loop.time() < last:  # noqa: ASYNC110 - quiet is time
        await asyncio.sleep(_LOOK_S)
