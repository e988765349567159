"""`vmlab log`: what hub and proxy wrote, all of it or what concerns one trainee."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from vmlab.cli.common import out, whole
from vmlab.errors import HostError
from vmlab.hub.log_file import older_part
from vmlab.names import machine_name
from vmlab.paths import default_paths

_POLL_S = 0.5
_STAMP = re.compile(
    r"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"  # JupyterHub's
    r"|(\d\d:\d\d:\d\d)\.\d+ \[ConfigProxy\]"  # the proxy's, which has no date
)
_AGE = re.compile(r"(\d{1,6})\s*(s|min|h|d)")
_AGE_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def log(
    name: Annotated[
        str | None, typer.Argument(help="Only messages that name this trainee or their machine.")
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, help="How many lines to print at most.")
    ] = 200,
    since: Annotated[
        str | None,
        typer.Option(help="Only messages this recent: 30s, 10min, 2h, 1d.", metavar="AGE"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new messages until Ctrl-C.")
    ] = False,
) -> None:
    """Print what the hub and its proxy wrote."""
    after = time.time() - parse_age(since) if since else -math.inf
    file = default_paths().hub_log
    shown = list(select(read_lines(file), name, after))[-lines:]
    for line in shown:
        out().print(whole(line))
    if follow:
        try:
            for line in select(follow_lines(file), name, -math.inf):
                out().print(whole(line))
        except KeyboardInterrupt:
            raise typer.Exit(0) from None  # the way to end it


def parse_age(text: str) -> float:
    """Return a time span in seconds.

    Raises:
        typer.BadParameter: it is not one.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r}: a number and one of {', '.join(_AGE_S)}, like 10min")
    return int(found[1]) * _AGE_S[found[2]]


def select(lines: Iterable[str], name: str | None, after: float) -> Iterator[str]:
    """Yield the messages that are wanted, with the lines that belong to them (tracebacks). Pure.

    Args:
        name: of a trainee, or a machine's; it must occur as a whole word.
        after: seconds since the epoch; messages without a date belong to the one before.
    """
    wanted = _naming(name) if name else None
    is_late, is_named = True, wanted is None
    for line in lines:
        if found := _STAMP.match(line):
            if found[1] and (at := _moment(found[1])) is not None:
                is_late = at >= after
            is_named = wanted is None or bool(wanted.search(line))
        if is_late and is_named:
            yield line


def _moment(stamp: str) -> float | None:
    """Return a time stamp in seconds since the epoch; None for a date that does not exist."""
    try:
        return datetime.fromisoformat(stamp).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None


def _naming(name: str) -> re.Pattern[str]:
    """Return what finds a name as a whole: "ann" is neither in "joann" nor in "ann2"."""
    words = "|".join(re.escape(word) for word in (name, machine_name(name)))
    return re.compile(rf"(?<![\w.-])({words})(?![\w-]|\.\w)")


def read_lines(file: Path) -> Iterator[str]:
    """Yield the log's lines, its older part first.

    Raises:
        HostError: there is none, or it cannot be read.
    """
    for part in (older_part(file), file):
        try:
            with part.open(errors="replace") as opened:
                yield from (line.rstrip("\n") for line in opened)
        except FileNotFoundError:
            if part == file:
                raise HostError(
                    f"there is no {file}: no hub ran here",
                    hint="`vmlab up` starts one; VMLAB_STATE names its folder",
                ) from None
        except OSError as error:
            raise HostError(f"{part} cannot be read: {error.strerror}") from error


def follow_lines(file: Path) -> Iterator[str]:
    """Yield the lines that are written from now on, even after the file was emptied."""
    at, rest = file.stat().st_size, ""
    while True:
        size = file.stat().st_size if file.exists() else 0
        if size < at:
            at, rest = 0, ""  # it was too large, and was begun again
        if size > at:
            with file.open("rb") as opened:
                opened.seek(at)
                data = opened.read(size - at)
            at += len(data)
            *whole_lines, rest = (rest + data.decode(errors="replace")).split("\n")
            yield from whole_lines
        else:
            time.sleep(_POLL_S)
