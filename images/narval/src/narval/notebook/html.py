"""Pieces of HTML for the widgets. Pure; all text from elsewhere is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from narval.control.log_record import LogRecord
from narval.notebook.alarms import Alarm
from narval.notebook.words import Language, phrase
from narval.topology.picture import describe_status
from narval.units import RATE_WINDOW_S, format_byte_rate


def make_sentence(text: str) -> str:
    """Return a sentence that a screen reader says when it changes."""
    return f'<div role="status">{escape(text)}</div>'


def make_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; the first column names the rows."""
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(str(row[0]))}</th>'
        + "".join(f'<td style="{_CELL}">{escape(str(each))}</td>' for each in row[1:])
        + "</tr>"
        for row in rows
    )
    head_row = f"<thead><tr>{head}</tr></thead>" if heads else ""
    name = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    return f"<table>{name}{head_row}<tbody>{body}</tbody></table>"


def make_actors_table(
    sub_system: str, actors: Mapping[str, Mapping[str, Any]], language: Language
) -> str:
    """Return state, rates, blocks and fullest buffer of each actor."""

    def say(name: str, /, **facts: object) -> str:
        return phrase(name, language, **facts)

    if not actors:
        return make_sentence(say("no_actors"))
    heads = [say(name) for name in ("actor", "state", "in", "out", "blocks", "fullest")]
    rows = [(name, *_actor_cells(status)) for name, status in actors.items()]
    return make_table(say("actors", sub_system=sub_system, seconds=RATE_WINDOW_S), heads, rows)


def make_alarms(alarms: Sequence[Alarm], language: Language) -> str:
    """Return the alarms, each with a sign; a screen reader says them at once."""
    if not alarms:
        return f"<div>{escape(phrase('no_alarms', language))}</div>"
    sentences = (
        phrase(each.kind, language, actor=each.actor, detail=each.detail, seconds=each.seconds)
        for each in alarms
    )
    items = "".join(f"<li>⚠ {escape(sentence)}</li>" for sentence in sentences)
    colour = "var(--jp-error-color1, #b71c1c)"
    return (
        f'<div role="alert" style="border-left:6px solid {colour};padding:0.3em 0.8em">'
        f"<strong>{escape(phrase('alarms', language))}</strong>"
        f'<ul style="list-style:none;margin:0;padding:0">{items}</ul></div>'
    )


def make_log(lines: Sequence[LogRecord], language: Language) -> str:
    """Return log lines, the newest last: time of day, level, actor, message."""
    if not lines:
        return f"<div>{escape(phrase('no_log', language))}</div>"
    texts = (
        f"{line.time[11:19]} {line.level:5} {line.actor or '-'}: {line.message}" for line in lines
    )
    return (
        f'<pre tabindex="0" aria-label="{escape(phrase("log", language))}" '
        f'style="max-height:12em;overflow:auto">{escape(chr(10).join(texts))}</pre>'
    )


_CELL = "text-align:left;padding:0 0.8em 0 0"


def _actor_cells(status: Mapping[str, Any]) -> Iterable[str]:
    yield describe_status({"state": status.get("state", "")})
    for key in ("bytes_per_s_in", "bytes_per_s_out"):
        yield format_byte_rate(float(status.get(key) or 0))
    yield f"{status.get('blocks_in', 0)} / {status.get('blocks_out', 0)}"
    shares = [
        buffer["filled_bytes"] / buffer["size_bytes"]
        for buffer in status.get("buffers") or ()
        if buffer["size_bytes"]
    ]
    yield f"{max(shares):.0%}" if shares else "-"
