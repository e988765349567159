"""Which paths a course may hold. Pure.

Hub and machines may run different Pythons, and every machine must take what the hub publishes. So
Unicode's tables are asked for names only: a newer Python knows characters that an older one does
not.
"""

from __future__ import annotations

import re
import unicodedata

MAX_PATH_BYTES = 200
MAX_DEPTH = 8

_UNFIT = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # spaces that look like another one
    "\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # nothing to see, or the direction of what stands beside
    "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff"  # halves; nobody's and private
    + "".join(
        f"{chr(plane + 0xFFFE)}-{chr(plane + 0xFFFF)}" for plane in range(0, 0xF0000, 0x10000)
    )
    + "]"
)


def path_problem(path: str) -> str:
    """Say what is wrong with a path inside a course; an empty text when nothing is.

    Archives come from outside, and their paths become paths in every machine.
    """
    if path.startswith("/") or "\\" in path:
        return "not a relative path with '/'"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "holds an empty part, '.' or '..'"
    if unfit := _UNFIT.search(path):
        code = ord(unfit[0])
        name = unicodedata.name(unfit[0], "no name").lower()
        return f"holds an invisible character, U+{code:04X} ({name}); rename the file"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"longer than {MAX_PATH_BYTES} bytes"
    if path.count("/") >= MAX_DEPTH:
        return f"more than {MAX_DEPTH} folders deep"
    return ""
