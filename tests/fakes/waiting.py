"""Waiting for what another process does."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

LIMIT_S = 240
"""Below pytest's own limit of a test, which says less."""


def wait_until(question: Callable[[], Answer], limit_s: float = LIMIT_S) -> Answer:
    """Ask again and again until the answer is true; return it.

    The longer it takes, the longer the pauses: who asks a hub often keeps it from its work.

    Raises:
        AssertionError: it was not within `limit_s` seconds; shows question and last answer.
    """
    begun = time.monotonic()
    while not (answer := question()):
        waited_s = time.monotonic() - begun
        if waited_s > limit_s:
            asked = (
                inspect.getsource(question).strip() if inspect.isfunction(question) else question
            )
            raise AssertionError(f"not within {limit_s:g} s: {asked}\nlast answer: {answer!r}")
        time.sleep(min(max(0.05, waited_s / 20), 0.5))
    return answer
