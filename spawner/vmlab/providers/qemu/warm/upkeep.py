"""Keeping ready what makes starts fast: the template of the lab's machines, and the pool."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator
from dataclasses import dataclass

from vmlab.images.store import Image
from vmlab.model import MachineRole, MachineSpec, StartStyle
from vmlab.providers.qemu.process.plan import Host, find_kind
from vmlab.providers.qemu.warm.parking import Parking, ensure_template
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import TemplateError
from vmlab.system.host import cpu_pressure

_PERIOD_S = 60.0
_QUIET_S = 20.0
_PRESSURE = 25.0
_POLL_S = 2.0
_LONGEST_S = 600.0
_RETRY_FIRST_S, _RETRY_MAX_S = 600.0, 4 * 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Again:
    """When to try once more what failed."""

    at: float = float("-inf")  # on the loop's clock
    pause_s: float = _RETRY_FIRST_S

    def put_off(self, now: float) -> Again:
        """Return when to try after one more failure: later each time."""
        return Again(now + self.pause_s, min(self.pause_s * 2, _RETRY_MAX_S))


class Upkeep:
    """Prepares in the background, and only while nobody waits for a machine.

    Args:
        pool: to be filled.
        wanted: how many machines wait in it.
    """

    def __init__(self, pool: Pool, wanted: int) -> None:
        self._pool = pool
        self._wanted = wanted
        self._starts = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._changed = asyncio.Event()
        self._last_start = float("-inf")  # when it ended, on the loop's clock
        self._again: dict[str, Again] = {}  # kinds of template that could not be made

    @contextlib.contextmanager
    def interrupted(self) -> Generator[None]:
        """Begin nothing new while a start is under way; look again afterwards."""
        self._starts += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._starts -= 1
            self._last_start = asyncio.get_running_loop().time()
            if not self._starts:
                self._idle.set()
            self._changed.set()

    async def wait_until_quiet(self) -> None:
        """Return when starts are over for a while and the host has processors to spare.

        When a class has started, it opens notebooks: what is prepared for those who come later
        must not compete with that. After ten minutes it may, so that a busy host has a pool too.
        """
        loop = asyncio.get_running_loop()
        latest = self._last_start + _LONGEST_S
        while loop.time() < latest:
            is_over = self._idle.is_set() and loop.time() >= self._last_start + _QUIET_S
            if is_over and cpu_pressure() < _PRESSURE:
                return
            await asyncio.sleep(_POLL_S)

    async def run_once(self, host: Host, spec: MachineSpec, image: Image) -> bool:
        """Make what is missing: the template, or one machine of the pool.

        Returns:
            Whether something is missing still.
        """
        if not host.clones:
            return False
        await self._idle.wait()
        kind = find_kind(spec, host, image)
        again = self._again.get(kind.key, Again())
        if asyncio.get_running_loop().time() < again.at:
            return False
        try:
            template = await ensure_template(Parking(kind, spec, host, image))
        except TemplateError:
            # Each attempt costs a boot; but a host may have been busy, and is idle later.
            self._again[kind.key] = again.put_off(asyncio.get_running_loop().time())
            raise
        self._again.pop(kind.key, None)
        if host.style is not StartStyle.AUTO or spec.role is not MachineRole.DESK:
            return False
        await self._pool.drain(keep=kind, way_out=spec.way_out)
        return await self._pool.fill(self._wanted, template, spec, host, image)

    async def wait(self) -> None:
        """Return when a start ended, or after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PERIOD_S):
                await self._changed.wait()
        self._changed.clear()
