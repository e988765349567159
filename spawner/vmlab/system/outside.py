"""From JSON of outside (`vmlab_protocol.outside`) to frozen facts. Pure."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Facts = TypeVar("Facts", bound=DataclassInstance)

_SHOWN = 40
_PLAIN: Final[dict[object, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


def as_facts(kind: type[Facts], table: Any) -> Facts:
    """Return the dataclass with these fields; those declared as plain types are of that type.

    Raises:
        ValueError: it is not an object, or a field is unknown, missing or of another type.
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
