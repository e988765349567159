"""The rates of a sub-system's actors as a table of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from narval.actors.losses import describe_losses
from narval.client import SubSystemStatus
from narval.units import RATE_WINDOW_S, format_byte_rate, format_bytes

_LONG_S = 5.0  # a call of a plugin that is worth a line
_HEAD = ("actor", "state", "in", "out", "in total", "out total", "buffers")


def format_table(status: SubSystemStatus, width: int = 200, *, is_over: bool = False) -> list[str]:
    """Return the lines of the table, each of at most `width` characters.

    Args:
        is_over: show the rates of the whole run, not the last ones.
    """
    run = "" if status.run_number is None else f", run {status.run_number}"
    seconds = max((float(actor.get("run_s") or 0) for actor in status.actors), default=0.0)
    run += f"; rates over all {seconds:g} s" if is_over else f"; rates over {RATE_WINDOW_S:g} s"
    rows: list[Sequence[str]] = [_HEAD, *(_row(actor, is_over) for actor in status.actors)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = [f"{status.sub_system}: {status.state}{run}"]
    for row in rows:
        first, second, *figures, buffers = (
            text.ljust(size) if index in {0, 1, 6} else text.rjust(size)
            for index, (text, size) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, second, *figures, buffers]).rstrip())
    lines += [f"  {actor['name']}: {actor['error']}" for actor in status.actors if actor["error"]]
    for actor in status.actors:
        busy_s = float(actor.get("busy_s") or 0)
        if busy_s >= _LONG_S and not is_over:
            what = actor.get("busy_in") or "its plugin"
            lines.append(f"  {actor['name']}: {what} has not returned for {busy_s:.0f} s")
        if lost := describe_losses(actor.get("lost") or {}):
            lines.append(f"  {actor['name']}: {lost}")
    return [line[:width] for line in lines]


def _row(actor: Mapping[str, Any], is_over: bool) -> Sequence[str]:
    seconds = float(actor.get("run_s") or 0)
    rates = [
        (actor.get(f"bytes_{way}") or 0) / seconds
        if is_over and seconds
        else 0
        if is_over
        else actor.get(f"bytes_per_s_{way}") or 0
        for way in ("in", "out")
    ]
    buffers = [_fill(buffer) for buffer in actor.get("buffers") or ()]
    return (
        str(actor["name"]),
        str(actor["state"]),
        *map(format_byte_rate, rates),
        format_bytes(actor.get("bytes_in") or 0),
        format_bytes(actor.get("bytes_out") or 0),
        " ".join(buffers),
    )


def _fill(buffer: Mapping[str, Any]) -> str:
    size = buffer.get("size_bytes") or 1
    return f"{100 * (buffer.get('filled_bytes') or 0) / size:.0f}%"
