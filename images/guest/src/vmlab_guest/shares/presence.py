"""What is told of the file server and of the own folder on it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

AWAY_AFTER_S = 10.0
"""Shorter silences are those of a busy host."""

_FULL_PERCENT, _WARN_PERCENT, _CALM_PERCENT = 99, 80, 75


class Presence(Enum):
    """The file server, as the trainee was told."""

    UNKNOWN = "unknown"  # neither seen nor missed since the seed
    HERE = "here"
    AWAY = "away"


class Fullness(IntEnum):
    """How full the own folder is, as the trainee was told."""

    ROOMY = 0
    TIGHT = 1
    FULL = 2


@dataclass(frozen=True)
class Usage:
    """What is in the own folder, and its quota."""

    used_bytes: int
    total_bytes: int


def choose_presence(before: Presence, *, is_ready: bool, silent_s: float) -> Presence:
    """Return what is to be told now.

    Args:
        before: what was told.
        is_ready: the server has just answered, and everything is mounted.
        silent_s: for how long that has not been so.
    """
    if is_ready:
        return Presence.HERE
    return Presence.AWAY if silent_s >= AWAY_AFTER_S else before


def choose_fullness(usage: Usage, before: Fullness) -> Fullness:
    """Return what is to be told; a warning is taken back only when there is clearly more room."""
    filled = usage.used_bytes * 100
    if filled >= usage.total_bytes * _FULL_PERCENT:
        return Fullness.FULL
    limit = _WARN_PERCENT if before is Fullness.ROOMY else _CALM_PERCENT
    return Fullness.TIGHT if filled >= usage.total_bytes * limit else Fullness.ROOMY


def parse_usage(text: str) -> Usage:
    """Return what `stat -f -c '%S %b %f'` says: bytes of a block, all blocks, free ones.

    Raises:
        ValueError: it says something else.
    """
    block, total, free = (int(word) for word in text.split())
    return Usage(block * (total - free), block * total)
