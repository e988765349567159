"""JSON from outside: any bytes give a value that the rest can handle, or one kind of error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vmlab.system.outside import as_facts


@dataclass(frozen=True)
class Thing:
    name: str
    size: float
    count: int = 0
    is_new: bool = False


def test_facts_are_made_of_fields_of_their_types():
    assert as_facts(Thing, {"name": "a", "size": 1}) == Thing("a", 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "a list instead of an object"),
        ({"name": "a"}, "size is missing"),
        ({"name": "a", "size": 1, "x" * 500: 1}, f"unknown field '{'x' * 40}'"),
        ({"name": 1, "size": 1}, "name is a int, not str"),
        ({"name": "a", "size": True}, "size is a bool, not float"),
        ({"name": "a", "size": 1, "count": 1.5}, "count is a float, not int"),
        ({"name": "a", "size": 1, "is_new": 0}, "is_new is a int, not bool"),
        ({"name": None, "size": 1}, "name is a NoneType, not str"),
    ],
)
def test_other_fields_are_named(table, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        as_facts(Thing, table)
