"""What is lost on the way: told in the log at once, then now and then, and counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping

TELL_AGAIN_S = 10.0
FULL = "it was full for longer than a second"

logger = logging.getLogger(__name__)


class Losses:
    """Counts by kind. The log has the first of a kind and input, and sums of those after it.

    Args:
        now: any clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._counts: Counter[str] = Counter()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told_at: dict[tuple[str, str], float] = {}

    def count(self, kind: str) -> int:
        """Return how many frames of this kind were lost."""
        return self._counts[kind]

    def note(self, kind: str, source: str, why: str, count: int = 1) -> None:
        """Count frames that are lost, and tell it."""
        self._counts[kind] += count
        self._untold[kind, source] += count
        self.tell(kind, source, why)

    def tell(self, kind: str, source: str, why: str) -> None:
        """Tell what happens to an input, unless that was told a moment ago."""
        key, now = (kind, source), self._now()
        if key in self._told_at and now - self._told_at[key] < TELL_AGAIN_S:
            return
        self._told_at[key] = now
        count = self._untold.pop(key, 0)
        lost = f"{count_frames(count)} lost: " if count else ""
        logger.warning("%s: %s%s", source, lost, why)


def count_frames(count: int) -> str:
    """Return the number in words: `1 frame`, `12 frames`."""
    return f"{count} frame{'' if count == 1 else 's'}"


def describe_losses(counts: Mapping[str, int]) -> str:
    """Return what was lost in words: `301 frames lost (300 late, 1 bad time)`; empty: nothing."""
    kinds = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in counts.items() if n)
    total = sum(counts.values())
    return f"{count_frames(total)} lost ({kinds})" if total else ""
