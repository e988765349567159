"""Which of two versions of a Debian package is the newer one. Pure.

ref: https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)", re.ASCII)
_END = 0
_TILDE = -1
_AFTER_LETTERS = 256


def compare_versions(one: str, other: str) -> int:
    """Return less than 0, 0 or more than 0: `one` is older, the same, or newer."""
    for left, right in zip(_split(one), _split(other), strict=True):
        if order := _compare_parts(left, right):
            return order
    return 0


def _split(version: str) -> tuple[str, str, str]:
    """Return epoch, upstream's version and Debian's revision."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "0")


def _compare_parts(one: str, other: str) -> int:
    """Compare what is no digit letter by letter, and what is as a number, in turn."""
    for left, right in zip_longest(_PARTS.findall(one), _PARTS.findall(other), fillvalue=("", "")):
        for one_char, other_char in zip_longest(
            _weights(left[0]), _weights(right[0]), fillvalue=_END
        ):
            if one_char != other_char:
                return one_char - other_char
        a, b = left[1].lstrip("0"), right[1].lstrip("0")
        if a != b:  # as numbers; not by int(), which refuses thousands of digits
            return 1 if (len(a), a) > (len(b), b) else -1
    return 0


def _weights(text: str) -> Iterator[int]:
    """A tilde comes before the end, the end before letters, and letters before all else."""
    for char in text:
        if char == "~":
            yield _TILDE
        else:
            yield ord(char) if char.isalpha() else ord(char) + _AFTER_LETTERS
