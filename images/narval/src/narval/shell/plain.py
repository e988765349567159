"""The shell's answers as people read them; programs ask for the XML: `narval_shell --xml`. Pure."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from narval.shell.client import Reply

_WHO = ("sub_system_name", "actor_name")


def format_plainly(reply: Reply) -> str:
    """Return an answer's texts, a line each; where it has none, what was done to whom.

    What would lead a terminal is replaced: values come from plugins, too.

    Example: `get actors tandem` gives the names of its actors, `set action start tandem` gives
    `tandem: action start, state Running`.
    """
    root = ET.fromstring(reply.text)  # noqa: S314 - our own server's
    messages = list(root.iter("message"))
    lines = [line for message in messages for line in _lines(message)]
    if not messages:
        lines = [_done(root)]
    text = "\n".join(lines) if lines else f"there are no {messages[0].get('type', 'answers')}"
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _lines(message: ET.Element) -> Iterator[str]:
    kind = message.get("type")
    for each in message:
        text = each.text or ""
        if each.tag == "syntax":
            summaries = _summaries()
            yield f"{text:{max(map(len, summaries)) + 2}}{summaries.get(text, '')}".rstrip()
        elif (kind, each.tag) != ("argument", "name"):  # who has asked for it knows its name
            yield text


@functools.cache
def _summaries() -> dict[str, str]:
    from narval.shell.grammar import FORMS  # noqa: PLC0415 - only help and refusals show forms

    return {form.syntax: form.summary for form in FORMS}


def _done(root: ET.Element) -> str:
    who = " ".join(root.attrib[name] for name in _WHO if name in root.attrib)
    about = {"cmd", "status", *_WHO}
    facts = [f"{name} {value}" for name, value in root.attrib.items() if name not in about]
    return f"{who or root.get('cmd', '')}: {', '.join(facts) or 'done'}"
