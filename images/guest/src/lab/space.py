"""`lab.space()`: what takes the space in the trainee's home."""

from __future__ import annotations

import html
import sys

from lab.show import in_notebook
from lab.words import find_language, machine_root, phrase
from vmlab_guest.space import Entry, Usage, find_usage, show_bytes, show_path
from vmlab_protocol.machine import HOME
from vmlab_protocol.notices import Language

_POLL_S = 60.0


def space() -> None:
    """Show how full the home is, its largest folders and its largest files."""
    usage = find_usage(machine_root() / HOME.lstrip("/"), limit_s=_POLL_S)
    language = find_language()
    if in_notebook():
        from IPython.display import HTML, display  # noqa: PLC0415 - loaded already

        display(HTML(make_space_html(usage, language)))  # type: ignore[no-untyped-call]
    else:
        sys.stdout.write(make_space_text(usage, language) + "\n")


def make_space_text(usage: Usage, language: Language) -> str:
    """Return it for a terminal."""
    rows = [_summary(usage, language)]
    for title, entries in _tables(usage, language):
        rows += ["", title]
        rows += [f"  {show_bytes(e.size_bytes):>10}  {show_path(e.path)}" for e in entries]
    return "\n".join(rows)


def make_space_html(usage: Usage, language: Language) -> str:
    """Return it as tables with bars; the numbers say what the bars show."""
    tables = "".join(
        f'<table style="width: 100%"><caption style="text-align: left; font-weight: bold">'
        f"{html.escape(title)}</caption>{''.join(_row(e, usage) for e in entries)}</table>"
        for title, entries in _tables(usage, language)
    )
    used = usage.total_bytes - usage.free_bytes
    return (
        f'<div lang="{language}" style="max-width: 45em"><p>{_summary(usage, language)}</p>'
        f"{_bar(used, usage.total_bytes)}{tables}</div>"
    )


def _summary(usage: Usage, language: Language) -> str:
    used = usage.total_bytes - usage.free_bytes
    text = phrase("space", language).format(
        used=show_bytes(used),
        total=show_bytes(usage.total_bytes),
        free=show_bytes(usage.free_bytes),
    )
    return text if usage.is_complete else f"{text} {phrase('space_cut', language)}"


def _tables(usage: Usage, language: Language) -> list[tuple[str, tuple[Entry, ...]]]:
    tables = [("space_entries", usage.entries), ("space_files", usage.files)]
    return [(phrase(name, language), entries) for name, entries in tables if entries]


def _row(entry: Entry, usage: Usage) -> str:
    return (
        f'<tr><td style="text-align: left; overflow-wrap: anywhere">'
        f"{html.escape(show_path(entry.path))}</td>"
        f'<td style="text-align: right; white-space: nowrap">{show_bytes(entry.size_bytes)}</td>'
        f'<td style="width: 40%">{_bar(entry.size_bytes, usage.total_bytes)}</td></tr>'
    )


def _bar(part: int, whole: int) -> str:
    percent = min(100.0, 100 * part / whole) if whole else 0.0
    return (
        '<div aria-hidden="true" style="border: 1px solid; height: 0.7em">'
        f'<div style="width: {percent:.1f}%; height: 100%; background: currentColor"></div></div>'
    )
