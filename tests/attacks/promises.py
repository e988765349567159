"""The promises of SECURITY.md: rows of tables, with the promise's name in the first cell."""

from __future__ import annotations

import re
from pathlib import Path

SECURITY = Path(__file__).parents[2] / "SECURITY.md"

_ROW = re.compile(r"^\| `([a-z][a-z0-9-]*\.[a-z0-9-]+)` \| (.+?) \|", re.MULTILINE)


def read_promises(text: str) -> dict[str, str]:
    """Return what is promised, by the promise's name."""
    return dict(_ROW.findall(text))


def all_promises() -> dict[str, str]:
    """Return the promises of this tree."""
    return read_promises(SECURITY.read_text())
