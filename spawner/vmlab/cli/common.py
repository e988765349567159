"""What the commands share: the project's folder, the lab, the provider, and how things look."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

import vmlab
from vmlab.errors import HostError
from vmlab.hub.lock import last_holder
from vmlab.lab.lab import Lab, load_lab
from vmlab.model import Allowance
from vmlab.paths import Paths
from vmlab.providers.settings import ProviderSettings, as_options, provider_settings

LabOption = Annotated[
    Path | None,
    typer.Option("--lab", help="The lab; lab.toml of the project when left out.", metavar="FILE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data for programs.")]

_MARKER = "jupyterhub_config.py"
_WIDEST = 10_000
_WORD = re.compile(r"[^\S\n]*\S+")  # with what stands before it: an indented line is one piece


def out() -> Console:
    """Return the console for results; a new one each time, because tests replace sys.stdout."""
    return _console()


def err() -> Console:
    """Return the console for progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool = False) -> Console:
    """Return a console that prints what it is given: names and messages hold brackets and colons.

    Output that does not go to a terminal is not wrapped.
    """
    stream = sys.stderr if stderr else sys.stdout
    wraps = stream.isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=not wraps)


def make_table(*titles: str, free: Collection[str] = ()) -> Table:
    """Return an empty table.

    Args:
        titles: of its columns.
        free: those of columns that hold sentences, which may be broken at blanks.
    """
    table = Table(box=None, pad_edge=False, show_header=any(titles))
    for title in titles:
        table.add_column(title, no_wrap=title not in free, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table, wider than the terminal if a word of it would be broken otherwise.

    A name, path or address in two pieces can neither be read nor copied.
    """
    for column in table.columns:
        cells = [cell.plain if isinstance(cell, Text) else str(cell) for cell in column.cells]
        pieces = (
            cells if column.no_wrap else [word for cell in cells for word in _WORD.findall(cell)]
        )
        column.min_width = max(map(cell_len, pieces), default=0)
    console = out()
    wide = console.options.update(max_width=_WIDEST)
    least = Measurement.get(console, wide, table).minimum
    console.width = max(console.width, least)
    console.print(table, crop=False, soft_wrap=False)


def find_project() -> Path:
    """Return the project's folder: VMLAB_PROJECT, around the current folder, or the checkout.

    Raises:
        HostError: there is none.
    """
    chosen = os.environ.get("VMLAB_PROJECT")
    here = Path.cwd()
    around = [here, *here.parents, *Path(vmlab.__file__).parents[:4]]
    candidates = [Path(chosen)] if chosen else around
    for folder in candidates:
        if (folder / _MARKER).is_file():
            return folder.absolute()
    raise HostError(
        f"no VMLab project in {chosen or here}",
        hint=f"go to the folder that holds {_MARKER}, or set VMLAB_PROJECT to it",
    )


def read_lab(file: Path | None) -> Lab:
    """Return the lab of this file, of VMLAB_LAB, or of the project.

    Raises:
        ConfigError: it has mistakes.
        HostError: there is no project.
    """
    chosen = file or os.environ.get("VMLAB_LAB")
    return load_lab(Path(chosen) if chosen else find_project() / "lab.toml")


def current_settings(paths: Paths, file: Path | None = None) -> ProviderSettings:
    """Return the provider's settings of the last `vmlab up`, or else those of lab.toml.

    So machines can be listed and stopped while lab.toml is being edited or has a mistake.

    Raises:
        ConfigError, HostError: as `read_lab`.
    """
    holder = None if file else last_holder(paths)
    if holder is None:
        return provider_settings(read_lab(file), paths)
    return ProviderSettings(
        holder.provider,
        paths.state,
        paths.cache,
        as_options(holder.options),
        Allowance(holder.volume_mib, holder.total_mib, holder.nodes, holder.node_volumes_mib),
    )


def print_json(data: Any) -> None:
    """Print data for programs."""
    print(json.dumps(data, indent=2, ensure_ascii=False))  # noqa: T201 - a result


def whole(text: str) -> Text:
    """Return a message of ours with all its lines; what it quotes has no control characters."""
    return Text("".join(c if c.isprintable() or c == "\n" else "·" for c in text))


def plain(text: str, *, most: int = 200) -> Text:
    """Return text from outside for a table: in one line, no control characters, cut."""
    shown = "".join(char if char.isprintable() else "·" for char in text)
    return Text(shown if len(shown) <= most else f"{shown[:most]}…")


def duration(seconds: float) -> str:
    """Return a time span in words: 45 s, 3 min, 2 h 05 min, 4 days."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days"
