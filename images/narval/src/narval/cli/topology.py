"""narval topology: check, draw and convert files."""

from __future__ import annotations

from pathlib import Path

from narval.console import write_file_to_stdout
from narval.control.service import say
from narval.errors import NarvalError
from narval.topology.model import Topology
from narval.topology.read import read_topology
from narval.topology.write import format_topology


def check(file: Path, *, allow_unknown: bool) -> None:
    """Say what is in a topology.

    Raises:
        NarvalError: it has mistakes; names all, by file and line.
    """
    topology = _read(file, allow_unknown=allow_unknown)
    links = sum(len(actor.sources) for actor in topology.actors)
    say(f"{file}: {len(topology.actors)} actors, {links} links, no mistakes")


def draw(file: Path, output: Path | None, *, allow_unknown: bool) -> None:
    """Write a picture of a topology (SVG); raises as `check`, and where it cannot be written."""
    from narval.topology.picture import draw_topology  # noqa: PLC0415 - only here

    _write(draw_topology(_read(file, allow_unknown=allow_unknown)), output)


def convert(file: Path, output: Path | None, *, allow_unknown: bool) -> None:
    """Write a topology in NARVAL's present dialect; raises as `draw`."""
    _write(format_topology(_read(file, allow_unknown=allow_unknown)), output)


def _read(file: Path, *, allow_unknown: bool) -> Topology:
    try:
        return read_topology(file, allow_unknown=allow_unknown)
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
