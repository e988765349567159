"""Notices of the machine, shown once in a notebook when `lab` is imported."""

from __future__ import annotations

import html
import re
from contextlib import suppress
from dataclasses import dataclass

from lab.show import in_notebook
from lab.words import find_language, machine_root, phrase
from vmlab_protocol.notices import Language
from vmlab_protocol.outside import load_json

_ID = re.compile(r"[0-9a-f]{1,64}")
_MAX_BYTES = 256 * 1024


@dataclass(frozen=True)
class Notice:
    """Something the trainee must be told."""

    id: str
    en: str
    fr: str


def parse_notices(text: str) -> list[Notice]:
    """Return the notices of /run/vmlab/notices.json; what is not a notice is left out."""
    try:
        rows = load_json(text)
    except ValueError:
        return []
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            values = [row.get(name) for name in ("id", "en", "fr")]
            if all(isinstance(v, str) for v in values) and _ID.fullmatch(str(values[0])):
                found.append(Notice(*map(str, values)))
    return found


def make_html(notices: list[Notice], language: Language) -> str:
    """Return the notices as one box."""
    texts = "".join(
        f"<p>{html.escape(n.fr if language is Language.FR else n.en)}</p>" for n in notices
    )
    return (
        f'<div role="note" lang="{language}" style="border: 1px solid; padding: 0.4em 0.8em">'
        f"<strong>{phrase('notice', language)}</strong>{texts}</div>"
    )


def show_unread() -> None:
    """Show in a notebook what the trainee has not seen in a terminal or notebook yet."""
    if not in_notebook():
        return  # terminals show them when they open
    run = machine_root() / "run/vmlab"
    try:
        with (run / "notices.json").open(encoding="utf-8") as stream:
            notices = parse_notices(stream.read(_MAX_BYTES))
    except (OSError, UnicodeDecodeError):
        return  # not a VMLab machine, or nothing to tell
    seen = run / "notices-seen"
    unread = [notice for notice in notices if not (seen / notice.id).exists()]
    if not unread:
        return
    from IPython.display import HTML, display  # noqa: PLC0415 - loaded already

    display(HTML(make_html(unread, find_language())))  # type: ignore[no-untyped-call]
    for notice in unread:
        with suppress(OSError):  # shown once more is better than not importing
            (seen / notice.id).touch()
