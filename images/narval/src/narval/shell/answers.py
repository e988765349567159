"""The shell server's answers: XML, one `result` for each command. Pure.

The wiki shows `status="OK"` in one example and `status ="ok"` in the other; which one is
written can be chosen.

ref: NARVAL wiki, "Narval_Shell_Commands".
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from narval.shell.grammar import Form


class OkSpelling(StrEnum):
    """How success is written."""

    UPPER = "OK"
    LOWER = "ok"


@dataclass(frozen=True)
class Message:
    """A part of an answer: its type, and elements of a name and a text."""

    type: str
    lines: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Answer:
    """What the server says to one command."""

    command: str
    is_ok: bool
    attributes: Mapping[str, str] = field(default_factory=dict)
    messages: Sequence[Message] = ()


def help_answer(forms: Sequence[Form]) -> Answer:
    """Return the answer that shows these forms."""
    lines = [("syntax", form.syntax) for form in forms]
    return Answer(str(forms[0].verb) if forms else "help", True, {}, [Message("help", lines)])


def error_answer(command: str, text: str, forms: Sequence[Form] = ()) -> Answer:
    """Return the answer to a command that was refused."""
    lines = [("text", line) for line in text.splitlines()]
    lines += [("syntax", form.syntax) for form in forms]
    return Answer(command, False, {}, [Message("error", lines)])


def format_answer(answer: Answer, ok: OkSpelling = OkSpelling.UPPER) -> str:
    """Return an answer's XML; characters that XML cannot hold are replaced."""
    status = ok.value if answer.is_ok else "ERROR"
    root = ET.Element("result", {"cmd": _clean(answer.command), "status": status})
    for name, value in answer.attributes.items():
        root.set(name, _clean(value))
    for message in answer.messages:
        part = ET.SubElement(root, "message", {"type": _clean(message.type)})
        for name, text in message.lines:
            ET.SubElement(part, name).text = _clean(text)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _clean(text: str) -> str:
    """Replace what XML 1.0 has no place for (ref: W3C, XML 1.0, 2.2 Characters)."""
    return "".join(char if _is_xml(ord(char)) else "\ufffd" for char in text)


def _is_xml(code: int) -> bool:
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )
