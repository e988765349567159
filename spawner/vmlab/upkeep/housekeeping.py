"""What the hub does while nobody waits for a machine: collect garbage, tidy its database.

A full garbage collection looks at every object of the hub and blocks it meanwhile: 0.2 s of a
processor with a hundred trainees. Python makes one whenever enough objects are new, which is in
the middle of a class's start, and several when the process ends, which frees nothing for anybody.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import sqlite3
from pathlib import Path

from vmlab.errors import HostError
from vmlab.hub.database import carry_over
from vmlab.spawning.slots import StartSlots
from vmlab.system.background import Job, begin

_POLL_S = 5.0
_QUIET_S = 15.0
"""Seconds without a start; longer than the hub needs to load what it keeps for good."""

_LONGEST_S = 900.0
"""After this time it is done even if the hub is never quiet."""

_PERIOD_S = 60.0
_PER_THOROUGH = 60
"""One collection in this many looks at everything; the others at what is new since the last."""

_NEVER = 1_000_000
"""Collections of the middle generation before Python makes a full one by itself."""


def start_housekeeping(slots: StartSlots, state: Path, hub_database: Path) -> None:
    """Do the housekeeping as long as this hub runs; no-op where no event loop runs."""
    housekeeping = Housekeeping(slots, hub_database)
    if begin(state, Job("housekeeping", housekeeping.tidy, _PERIOD_S)):
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        atexit.register(gc.freeze)


class Housekeeping:
    """Tidies the hub's memory and database."""

    def __init__(self, slots: StartSlots, hub_database: Path) -> None:
        self._slots = slots
        self._hub_database = hub_database
        self._turn = 0

    async def tidy(self) -> None:
        """Tidy up once, as soon as it is quiet.

        Raises:
            HostError: the hub's database cannot be tidied.
        """
        await _wait_until_quiet(self._slots)
        if self._turn == 0:
            gc.unfreeze()
        self._turn = (self._turn + 1) % _PER_THOROUGH
        gc.collect()
        gc.freeze()
        try:
            await asyncio.to_thread(carry_over, self._hub_database)
        except sqlite3.Error as error:
            raise HostError(
                f"{self._hub_database} could not be tidied, and grows: {error}"
            ) from error


async def _wait_until_quiet(slots: StartSlots) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time() + _LONGEST_S
    while slots.idle_s() < _QUIET_S and loop.time() < last:  # noqa: ASYNC110 - quiet is time
        await asyncio.sleep(_POLL_S)
