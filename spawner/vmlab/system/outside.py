"""Reading JSON from outside: of a machine, of a browser, of a file that others may have touched.

`json.loads` lets through what breaks a program later: NaN and Infinity, integers of any length (no
float, no column of a database takes them), halves of surrogate pairs, which no encoding takes. And
beside its own error it raises others. Here there is one error, and numbers have limits.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Facts = TypeVar("Facts", bound=DataclassInstance)

_MOST: Final = 2**63 - 1
_MAX_DIGITS: Final = 19
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 40
_PLAIN: Final[dict[object, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


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


def as_facts(kind: type[Facts], table: Any) -> Facts:
    """Return the dataclass with these fields; those declared as plain types are of that type.

    Raises:
        ValueError: it is no object, or a field is unknown, missing or of another type.
    """
    if not isinstance(table, dict):
        raise ValueError(f"a {type(table).__name__} instead of an object")
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"unknown field {unknown[0][:_SHOWN]!r}")
    for name, field in known.items():
        if name not in table:
            if field.default is MISSING and field.default_factory is MISSING:
                raise ValueError(f"{name} is missing")
        elif type(table[name]) not in _PLAIN.get(field.type, (type(table[name]),)):
            raise ValueError(f"{name} is a {type(table[name]).__name__}, not {field.type}")
    return kind(**table)


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
    raise ValueError(f"{word} is no number")
