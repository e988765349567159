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

    Raises:
        AssertionError: it was not within `limit_s` seconds; shows question and last answer.
    """
    deadline = time.monotonic() + limit_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            asked = (
                inspect.getsource(question).strip() if inspect.isfunction(question) else question
            )
            raise AssertionError(f"not within {limit_s:g} s: {asked}\nlast answer: {answer!r}")
        time.sleep(0.05)
    return answer
