"""How often a machine that reboots or crashes is restarted; one that always does stays off."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_MOST = 3
_WITHIN_S = 900.0


class Restarts:
    """The restarts of one machine since somebody started it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: deque[float] = deque(maxlen=_MOST)

    def may_begin(self) -> bool:
        """Tell whether there may be one more now; if so, it is counted."""
        now = self._clock()
        if len(self._begun) == _MOST and now - self._begun[0] < _WITHIN_S:
            return False
        self._begun.append(now)
        return True

    def clear(self) -> None:
        """Start counting again."""
        self._begun.clear()
