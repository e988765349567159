"""Running a coroutine beside a block of code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Do `work` beside the body, and leave when both are done.

    Raises:
        Exception: what the body raised, and then the work is cancelled; else what the work raised.
    """
    task = asyncio.create_task(work)
    try:
        yield
    except BaseException:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # the body's is the one to be told
        raise
    await task
