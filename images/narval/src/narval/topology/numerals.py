"""Numbers as Ada writes them.

ref: Ada Reference Manual 2.4: digits with single underscores between them, an optional exponent
(1E6), an optional base from 2 to 16 (16#FF#).
"""

from __future__ import annotations

import re

_DIGITS = r"[0-9](?:_?[0-9])*"
_DECIMAL = re.compile(rf"({_DIGITS})(?:[eE]\+?({_DIGITS}))?")
_BASED = re.compile(rf"({_DIGITS})#([0-9a-fA-F](?:_?[0-9a-fA-F])*)#(?:[eE]\+?({_DIGITS}))?")
_MAX_CHARACTERS = 40
_MAX_EXPONENT = 18


def parse_ada_integer(text: str) -> int:
    """Return the value of an Ada integer numeral.

    Example:
        >>> parse_ada_integer("1_000_000"), parse_ada_integer("16#FF#"), parse_ada_integer("1E3")
        (1000000, 255, 1000)

    Raises:
        ValueError: it is not one.
    """
    if len(text) <= _MAX_CHARACTERS:
        if match := _DECIMAL.fullmatch(text):
            return _scaled(int(match[1].replace("_", "")), 10, match[2])
        if match := _BASED.fullmatch(text):
            base = int(match[1].replace("_", ""))
            if 2 <= base <= 16:
                return _scaled(int(match[2].replace("_", ""), base), base, match[3])
    raise ValueError(f"{text[:_MAX_CHARACTERS]!r} is not a whole number such as 1_000_000")


def _scaled(value: int, base: int, exponent: str | None) -> int:
    power = int((exponent or "0").replace("_", ""))
    if power > _MAX_EXPONENT:
        raise ValueError(f"the exponent {power} is too large")
    return int(value * base**power)


def format_ada_integer(value: int) -> str:
    """Return a number with an underscore between each three digits."""
    return f"{value:_}"
