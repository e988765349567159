"""Where the actors of a topology stand in a picture: columns from left to right. Pure.

Actors stand as far left as their sources allow; in a column, they stand near what they are
connected with (the barycentre heuristic of Sugiyama, Tagawa and Toda). A link over several columns
has a place in each of those between, so that it passes no actor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from narval.topology.check import find_buffer
from narval.topology.model import Actor, OutputBuffer, Topology

Place = str | tuple[int, int]
"""An actor's name, or number of a link and column that it passes."""

_SWEEPS = 4


@dataclass(frozen=True)
class Link:
    """Data from one actor to another."""

    writer: str
    reader: str
    buffer: OutputBuffer


@dataclass(frozen=True)
class Layout:
    """Columns from left to right, each from top to bottom, and the way of each link."""

    columns: tuple[tuple[Place, ...], ...]
    links: tuple[Link, ...]
    ways: tuple[tuple[Place, ...], ...]  # of each link, both ends included


def lay_out(topology: Topology) -> Layout:
    """Return the places of all actors and links; links whose buffer is not known are left out."""
    links = find_links(topology)
    column = find_columns(topology, links)
    ways = tuple(_way(number, link, column) for number, link in enumerate(links))
    places: dict[Place, int] = {actor.name: column[actor.name] for actor in topology.actors}
    near: defaultdict[Place, list[Place]] = defaultdict(list)
    for way in ways:
        for here, there in pairwise(way):
            near[here].append(there)
            near[there].append(here)
        places.update({place: place[1] for place in way if not isinstance(place, str)})
    columns: list[list[Place]] = [[] for _ in range(max(places.values(), default=-1) + 1)]
    for place, index in places.items():
        columns[index].append(place)
    _order(columns, near)
    return Layout(tuple(map(tuple, columns)), links, ways)


def find_links(topology: Topology) -> tuple[Link, ...]:
    """Return all links, in the order of the readers in the file."""
    return tuple(
        Link(source.actor, actor.name, buffer)
        for actor in topology.actors
        for source in actor.sources
        if (buffer := find_buffer(topology, source)) is not None
    )


def find_columns(topology: Topology, links: tuple[Link, ...]) -> dict[str, int]:
    """Return the column of each actor: one more than the rightmost of its sources.

    A circle, which no checked topology has, ends after as many columns as there are actors.
    """
    column = {actor.name: 0 for actor in topology.actors}
    for _ in topology.actors:
        moved = False
        for link in links:
            if column[link.reader] <= column[link.writer] < len(topology.actors):
                column[link.reader] = column[link.writer] + 1
                moved = True
        if not moved:
            break
    return column


def describe_in_words(topology: Topology) -> str:
    """Return who reads what from whom, one sentence for each actor."""
    links = find_links(topology)
    return " ".join(_sentence(actor, links) for actor in topology.actors)


def _way(number: int, link: Link, column: Mapping[str, int]) -> tuple[Place, ...]:
    between = range(column[link.writer] + 1, column[link.reader])
    return (link.writer, *((number, passed) for passed in between), link.reader)


def _sentence(actor: Actor, links: tuple[Link, ...]) -> str:
    name = f"{actor.role.replace('_', ' ')} {actor.name} on {actor.hostname}"
    read = [f"{link.buffer.name} of {link.writer}" for link in links if link.reader == actor.name]
    return f"{name}{' reads ' + ', '.join(read) if read else ''}."


def _order(columns: list[list[Place]], near: Mapping[Place, list[Place]]) -> None:
    """Sort each column by where its neighbours in the column before, then after, stand."""
    for sweep in range(_SWEEPS):
        pairs = list(pairwise(columns))
        for left, right in pairs if sweep % 2 == 0 else reversed(pairs):
            fixed, moved = (left, right) if sweep % 2 == 0 else (right, left)
            moved.sort(key=_heights(fixed, moved, near).__getitem__)


def _heights(
    fixed: list[Place], moved: list[Place], near: Mapping[Place, list[Place]]
) -> dict[Place, float]:
    """Return the mean height of each one's neighbours, its own where it has none."""
    height = {place: index / len(fixed) for index, place in enumerate(fixed)}
    found: dict[Place, float] = {}
    for index, place in enumerate(moved):
        beside = [height[each] for each in near.get(place, ()) if each in height]
        found[place] = sum(beside) / len(beside) if beside else index / len(moved)
    return found
