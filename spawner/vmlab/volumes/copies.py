"""Copies of volumes, to download or to look into: few at once, within the available space.

A copy takes time and space on the host's disk, which all machines share. Afterwards, while it waits
for its reader, it takes space only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator

from vmlab import messages
from vmlab.errors import HostError
from vmlab.system.disk_space import FreeSpace

AT_ONCE = 2
WAIT_S = 60.0


class Copies:
    """The copies that one process makes."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._promised: Counter[str] = Counter()  # MiB, by volume

    @contextlib.asynccontextmanager
    async def making(self) -> AsyncGenerator[None]:
        """Wait for a turn at copying, first come, first served.

        Raises:
            HostError: it did not come within a minute.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise HostError(
                f"{AT_ONCE} volumes are being copied, and no copy finished within {WAIT_S:.0f} s",
                hint="try again later",
                public=messages.COPIES_BUSY,
            ) from error
        try:
            yield
        finally:
            self._slots.release()

    def promised_mib(self, volume: str) -> int:
        """Return what the copies of this volume that are kept take at most."""
        return self._promised[volume]

    @contextlib.contextmanager
    def kept(self, volume: str, room: FreeSpace, mib: int) -> Generator[None]:
        """Keep room for a copy as long as it is there: all together take half of what is spare.

        Raises:
            HostError: there is too little beside the others.
        """
        # What the others have already written is no longer free: hence half.
        room.require(self._promised.total() + mib, f"a copy of {volume}, with other copies,")
        self._promised[volume] += mib
        try:
            yield
        finally:
            self._promised[volume] -= mib
