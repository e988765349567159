"""Phase durations measured in earlier starts, grouped by what makes starts comparable."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vmlab.database import open_database
from vmlab.errors import LabError
from vmlab.model import Features

_APART_S = 2.0


class StartHistory:
    """The durations of earlier starts. If the database fails, starts work without estimates."""

    def __init__(
        self, database: Path, key: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._recorded: float | None = None
        self._medians: Mapping[str, float] | None = None  # None: not read yet
        self._log = logging.getLogger(__name__)

    async def medians_s(self) -> Mapping[str, float]:
        """Return the median of each phase, in seconds; nothing when that cannot be read."""
        if self._medians is None:
            try:
                self._medians = await asyncio.to_thread(self._read)
            except (LabError, SQLAlchemyError) as error:
                self._log.warning(
                    "the durations of earlier starts cannot be read, so there is no ETA: %s", error
                )
                return {}
        return self._medians

    async def record(self, durations_s: Mapping[str, float]) -> None:
        """Remember how long the phases of a start took.

        Of a class that starts at once, one in 2 seconds: the others would add nothing new.
        """
        now = self._clock()
        if self._recorded is not None and now - self._recorded < _APART_S:
            return
        self._recorded = now

        def record() -> Mapping[str, float]:
            open_database(self._database).record_start(self._key, durations_s)
            return self._read()

        try:
            self._medians = await asyncio.to_thread(record)
        except (LabError, SQLAlchemyError) as error:
            self._log.warning("this start's durations could not be stored: %s", error)

    def _read(self) -> Mapping[str, float]:
        return open_database(self._database).phase_medians(self._key)


def find_history(
    database: Path, provider: str, features: Features
) -> Callable[[str, str], StartHistory]:
    """Return what finds the durations of earlier starts of a kind that were made in the same way.

    Args:
        database: VMLab's own.
        provider: its name, as the lab says it.
    """

    def find(kind: str, way: str) -> StartHistory:
        key = f"{provider}/{features.accelerator}/{kind}/{features.style}/{way}"
        return open_history(database, key)

    return find


@cache
def open_history(database: Path, key: str) -> StartHistory:
    """Return the history of these starts; one object a process, so that it is read once."""
    return StartHistory(database, key)
