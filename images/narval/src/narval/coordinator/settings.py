"""What a coordinator is started with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from narval.config import Address
from narval.errors import NarvalError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Settings:
    """What a coordinator is started with.

    Attributes:
        at: where it listens; port 0 takes a free one.
        folder: the acquisition's.
        is_all_here: run every actor on this machine, whatever host the topology names.
        naming_wait_s: how long the naming service may take to come.
    """

    sub_system: str
    at: Address
    naming: Address
    secret: str
    folder: Path
    is_all_here: bool = False
    naming_wait_s: float = 0.0


def check_sub_system(name: str) -> str:
    """Return the name of a sub-system; it names folders too.

    Raises:
        NarvalError: it cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise NarvalError(f"{name[:60]!r} cannot be a sub-system's name: {_NAME.pattern}")
    return name
