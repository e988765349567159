"""narval topology: check, draw and convert files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from narval.actors.refusals import find_refusals
from narval.console import say, write_file_to_stdout
from narval.coordinator.launch import LaunchError, is_this_host
from narval.errors import NarvalError
from narval.topology.model import Topology
from narval.topology.read import Rule, read_topology
from narval.topology.write import format_topology


def check(file: Path, *, allow_unknown: bool) -> None:
    """Say what is in a topology.

    Raises:
        NarvalError: it has mistakes, or `configure` would refuse it; names all, by file and line.
    """
    rules = [find_refusals, find_unknown_hosts]
    topology = _read(file, allow_unknown=allow_unknown, rules=rules)
    links = sum(len(actor.sources) for actor in topology.actors)
    say(f"{file}: {len(topology.actors)} actors, {links} links, no mistakes")


def find_unknown_hosts(topology: Topology) -> Iterator[tuple[int, str]]:
    """Yield line and message of actors on hosts that cannot be found from here."""

    async def look(hosts: list[str]) -> list[bool | BaseException]:
        return await asyncio.gather(*map(is_this_host, hosts), return_exceptions=True)

    hosts = {actor.hostname: None for actor in topology.actors}
    found = dict(zip(hosts, asyncio.run(look(list(hosts))), strict=True))
    for actor in topology.actors:
        problem = found[actor.hostname]
        if isinstance(problem, LaunchError):
            told = f"{problem} (narval run runs all on this machine and does without)"
            yield actor.line, f"{actor.name!r}: {told}"
        elif isinstance(problem, BaseException):
            raise problem


def draw(file: Path, output: Path | None, *, allow_unknown: bool) -> None:
    """Write a picture of a topology (SVG); raises as `check`, and where it cannot be written."""
    from narval.topology.picture import draw_topology  # noqa: PLC0415 - only here

    _write(draw_topology(_read(file, allow_unknown=allow_unknown)), output)


def convert(file: Path, output: Path | None, *, allow_unknown: bool) -> None:
    """Write a topology in NARVAL's present dialect; raises as `draw`."""
    _write(format_topology(_read(file, allow_unknown=allow_unknown)), output)


def _read(file: Path, *, allow_unknown: bool, rules: Iterable[Rule] = ()) -> Topology:
    try:
        return read_topology(file, allow_unknown=allow_unknown, rules=rules)
    except OSError as error:
        raise NarvalError(f"{file}: {error.strerror}") from error


def _write(text: str, output: Path | None) -> None:
    if output is None:
        write_file_to_stdout(text.rstrip("\n") + "\n")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NarvalError(f"{output}: {error.strerror}") from error
