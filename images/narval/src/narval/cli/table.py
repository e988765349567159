"""The rates of a sub-system's actors as a table of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from narval.actors.losses import describe_losses
from narval.client import SubSystemStatus
from narval.units import format_byte_rate, format_bytes

_HEAD = ("actor", "state", "in", "out", "in total", "out total", "buffers")


def format_table(status: SubSystemStatus, width: int = 200) -> list[str]:
    """Return the lines of the table, each of at most `width` characters."""
    run = "" if status.run_number is None else f", run {status.run_number}"
    rows: list[Sequence[str]] = [_HEAD, *(_row(actor) for actor in status.actors)]
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
        if lost := describe_losses(actor.get("lost") or {}):
            lines.append(f"  {actor['name']}: {lost}")
    return [line[:width] for line in lines]


def _row(actor: Mapping[str, Any]) -> Sequence[str]:
    buffers = [_fill(buffer) for buffer in actor.get("buffers") or ()]
    return (
        str(actor["name"]),
        str(actor["state"]),
        format_byte_rate(actor.get("bytes_per_s_in") or 0),
        format_byte_rate(actor.get("bytes_per_s_out") or 0),
        format_bytes(actor.get("bytes_in") or 0),
        format_bytes(actor.get("bytes_out") or 0),
        " ".join(buffers),
    )


def _fill(buffer: Mapping[str, Any]) -> str:
    size = buffer.get("size_bytes") or 1
    return f"{100 * (buffer.get('filled_bytes') or 0) / size:.0f}%"
