"""XML as topologies use it: elements, attributes and text, each with its line.

Read with expat, the standard library's parser. A document type declaration is refused, and with it
entities of one's own, which can make a small file huge or read other files (ref: Python,
"XML vulnerabilities"). Names are compared without regard to case, as NARVAL 1.10 does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 4 * 1024 * 1024
"""A topology of a thousand actors is smaller by far."""

MAX_ELEMENTS = 100_000
"""In memory an element takes a hundred times the four bytes that it may have in the file."""

MAX_DEPTH = 16


class XmlError(ValueError):
    """No XML, or more than a topology may hold."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(f"line {line}: {message}")


@dataclass
class Element:
    """One element. Names of elements and attributes are in lower case."""

    name: str
    line: int
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is in it, without the white space around."""
        return "".join(self._text).strip()

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of this name."""
        return (child for child in self.children if child.name == name)


def parse_xml(data: bytes) -> Element:
    """Return the root element.

    Raises:
        XmlError: no well-formed XML, a document type declaration, too large, too many elements or
            too deep.
    """
    if len(data) > MAX_BYTES:
        raise XmlError(1, f"it is too large: a topology has at most {MAX_BYTES} bytes")
    return _Reader().read(data)


class _Reader:
    def __init__(self) -> None:
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0

    def read(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, str(error))
            raise XmlError(error.lineno, f"no well-formed XML: {reason}") from error
        except (ValueError, LookupError) as error:  # an encoding that there is not
            if isinstance(error, XmlError):
                raise
            raise XmlError(self._parser.CurrentLineNumber, f"unreadable: {error}") from error
        assert self._root is not None, "expat refuses a document without elements"  # noqa: S101
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if len(self._open) >= MAX_DEPTH:
            raise XmlError(line, f"<{name}> is nested deeper than {MAX_DEPTH} elements")
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise XmlError(line, f"a topology has at most {MAX_ELEMENTS} elements")
        lower = {key.lower(): value for key, value in attributes.items()}
        element = Element(name.lower(), line, lower)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1]._text.append(text)

    def _doctype(self, *_: object) -> None:
        raise XmlError(
            self._parser.CurrentLineNumber,
            "a document type declaration (<!DOCTYPE ...>) is refused; a topology needs none",
        )
