"""Replacing placeholders in a running process: found beforehand, replaced at once.

`find_places` searches every container that the garbage collector knows for strings that hold a
placeholder. A single one that could not be replaced, in a tuple for instance, is an error, so that
no half-replaced process is ever used.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CellType, ModuleType
from typing import Any


class PlaceholderError(Exception):
    """A placeholder stands where it cannot be replaced; names the place."""


@dataclass(frozen=True)
class Place:
    """Where a string stands: a dict, list, set or cell, and what leads to it."""

    holder: Any
    key: Any

    def replace(self, change: Callable[[str], str]) -> None:
        """Put the changed string in its place."""
        if isinstance(self.holder, CellType):
            self.holder.cell_contents = change(self.holder.cell_contents)
        elif isinstance(self.holder, set):
            self.holder.remove(self.key)
            self.holder.add(change(self.key))
        else:
            self.holder[self.key] = change(self.holder[self.key])


def find_places(mark: str, may_stay: Callable[[Any], bool]) -> list[Place]:
    """Return every place of a string that contains `mark`.

    Args:
        may_stay: whether such strings may stay in this object.

    Raises:
        PlaceholderError: one cannot be replaced.
    """
    places: list[Place] = []
    seen: set[int] = set()
    tracked = gc.get_objects()
    own = {id(places), id(seen), id(tracked)}
    for thing in tracked:
        if id(thing) in own or isinstance(thing, Place):
            continue
        for holder in _with_untracked(thing, seen):
            count = sum(_contains(part, mark) for part in gc.get_referents(holder))
            if not count or may_stay(holder):
                continue
            found = _places_in(holder, mark)
            if len(found) < count:
                raise PlaceholderError(f"{type(holder)}: {holder!r:.200}")
            places += found
    return places


def _with_untracked(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an object and the containers in it that the collector leaves out: those of atoms."""
    yield thing
    for part in gc.get_referents(thing):
        if type(part) in {dict, tuple} and not gc.is_tracked(part) and id(part) not in seen:
            seen.add(id(part))
            yield from _with_untracked(part, seen)


def _contains(part: object, mark: str) -> bool:
    if type(part) is bytes:
        return mark.encode() in part
    return type(part) is str and mark in part


def _places_in(holder: Any, mark: str) -> list[Place]:
    if isinstance(holder, CellType):
        return [Place(holder, None)]
    if isinstance(holder, set):
        return [Place(holder, text) for text in holder if _contains(text, mark)]
    if isinstance(holder, list):
        return [Place(holder, n) for n, text in enumerate(holder) if _is_text(text, mark)]
    if not isinstance(holder, dict):
        if isinstance(holder, type | ModuleType) or not hasattr(holder, "__dict__"):
            return []
        holder = vars(holder)
    return [Place(holder, key) for key, text in holder.items() if _is_text(text, mark)]


def _is_text(value: object, mark: str) -> bool:
    return type(value) is str and mark in value
