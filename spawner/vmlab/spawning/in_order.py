"""Several starts in their order: as many at once as the order allows, and all or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

_log = logging.getLogger(__name__)


async def start_in_order(
    after: Mapping[str, tuple[str, ...]], start: Callable[[str], Awaitable[None]]
) -> None:
    """Start each one as soon as all those before it are ready; return when all are.

    The first that fails ends the others where they are; what they have left running is for the
    caller to stop.

    Args:
        after: label → labels of those before it; without a cycle.
        start: starts one and returns when it is ready.

    Raises:
        Exception: what the first failure raised; the others are logged.
    """
    ready = {label: asyncio.Event() for label in after}

    async def run(label: str) -> None:
        for before in after[label]:
            await ready[before].wait()
        await start(label)
        ready[label].set()

    try:
        async with asyncio.TaskGroup() as tasks:
            for label in after:
                tasks.create_task(run(label))
    except ExceptionGroup as failures:
        first, *others = failures.exceptions
        for error in others:
            _log.warning("another machine failed in the same start: %s", error)
        raise first from None
