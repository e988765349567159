"""Reading JSON that others wrote: the other side, a browser, a trainee's programs, a file. Pure.

`json.loads` lets through what breaks a program later: NaN and Infinity, integers of any length (no
float, no column of a database takes them), halves of surrogate pairs, which no encoding takes. And
beside its own error it raises others. Here there is one error, and numbers have limits.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_MOST = 2**63 - 1
_MAX_DIGITS = 19
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 40


def load_json(data: bytes | str) -> Any:
    """Return what this JSON says; whole numbers fit into 64 bits, all others are finite.

    Raises:
        ValueError: it is invalid, nested too deeply, or has another number or half a character.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_refuse)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _whole(word: str) -> int:
    digits = len(word.lstrip("-"))
    if digits > _MAX_DIGITS or abs(number := int(word)) > _MOST:
        raise ValueError(f"a whole number of {digits} digits")
    return number


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"the number {word[:_SHOWN]} is too large")
    return number


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number")
