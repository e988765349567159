"""Stopping all machines of a lab, many at once; each result is reported as it comes."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from vmlab.errors import LabError
from vmlab.providers.base import Provider

AT_ONCE = 32
"""Machines that are powered down at a time: each one flushes its disks, and most of it is waiting.
One that does not end occupies its place until its deadline, so there are more than a host needs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stopped:
    """What became of one machine. `problem` is empty when it stopped."""

    machine: str
    user: str
    took_s: float
    problem: str = ""
    forced: bool = False  # forced off after the time limit


async def stop_all(
    provider: Provider,
    tell: Callable[[Stopped], None] = lambda _stopped: None,
    *,
    limit_s: float = math.inf,
) -> list[Stopped]:
    """Stop all machines, and end those that wait for a trainee; one that fails stops no other.

    Args:
        provider: the machines'.
        tell: called as soon as a machine has ended, or has failed to.
        limit_s: after this time guests are no longer asked, but forced off.

    Raises:
        LabError: the provider does not tell which machines there are.
    """
    deadline = time.monotonic() + limit_s
    machines = (await provider.status()).values()
    slots = asyncio.Semaphore(AT_ONCE)

    async def stop(name: str, user: str) -> Stopped:
        async with slots:
            stopped = await _stop(provider, name, user, deadline)
        tell(stopped)
        return stopped

    running = [machine for machine in machines if machine.state.is_on]
    results = list(await asyncio.gather(*(stop(m.name, m.owner) for m in running)))
    began = time.monotonic()
    try:
        await provider.drain()
    except LabError as error:
        results.append(Stopped("pool", "", _since(began), error.message))
        tell(results[-1])
    return results


async def _stop(provider: Provider, name: str, user: str, deadline: float) -> Stopped:
    """Ask the guest first, and force it off when the time is up."""
    began = time.monotonic()
    forced = False
    try:
        try:
            left_s = None if math.isinf(deadline) else max(0.0, deadline - began)
            async with asyncio.timeout(left_s):
                await provider.stop(name)
        except TimeoutError:
            forced = True
            await provider.stop(name, now=True)
    except LabError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return Stopped(name, user, _since(began), f"{error.message}{hint}", forced)
    except Exception as error:  # noqa: BLE001 - logged
        _log.exception("%s: not stopped", name)  # all others are to be stopped nevertheless
        problem = f"unexpected {type(error).__name__}; the log says more"
        return Stopped(name, user, _since(began), problem, forced)
    return Stopped(name, user, _since(began), forced=forced)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)
