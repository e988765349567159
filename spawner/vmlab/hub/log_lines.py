"""The hub's log, line by line: long ones are cut, and a flood of them is counted instead.

Lines hold what others send: a request line may have 16 KiB, and a hub answers a thousand of them a
second.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

LONGEST_MESSAGE: Final = 2048
LONGEST_ENTRY: Final = 16 * 1024
"""A message with its traceback."""

PER_SECOND: Final = 200
BURST: Final = 2000
"""The start of a large class writes twenty lines for each machine."""


def cut(text: str, longest: int) -> str:
    """Return the text, or its beginning and how long it was."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text)} characters)"


class BoundedHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream within limits of length and rate."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream)
        self._clock = clock
        self._free = float(BURST)
        self._filled_at = clock()
        self._left_out = 0

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, cut."""
        short = copy.copy(record)
        short.msg, short.args = cut(record.getMessage(), LONGEST_MESSAGE), ()
        return cut(super().format(short), LONGEST_ENTRY)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it; logging holds this handler's lock meanwhile."""
        now = self._clock()
        self._free = min(float(BURST), self._free + (now - self._filled_at) * PER_SECOND)
        self._filled_at = now
        if self._free < 1:
            self._left_out += 1
            return
        self._free -= 1
        if self._left_out:
            super().emit(_make_note(record.name, self._left_out))
            self._left_out = 0
        super().emit(record)


def bounded_logging() -> dict[str, Any]:
    """Return the settings that bound JupyterHub's log and send VMLab's own the same way."""
    handler = f"{BoundedHandler.__module__}.{BoundedHandler.__name__}"
    return {
        "handlers": {"console": {"class": handler}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }


def _make_note(name: str, count: int) -> logging.LogRecord:
    words = "%d log lines were left out: there were too many at once"
    return logging.LogRecord(name, logging.WARNING, __file__, 0, words, (count,), None)
