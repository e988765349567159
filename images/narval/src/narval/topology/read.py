"""Reading a topology, in NARVAL's present dialect and in that of version 1.10.

The old dialect is not case-sensitive, names its log level `debug`, gives buffers' sizes and ports
without naming the buffer, and wants each size before its port. All mistakes of a file are named at
once, with their lines.

ref: NARVAL wiki, "Configuration_Files" and "Writing_a_C_actor"; narval 1.10.2, nrv_conf/README.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from narval.errors import Mistake, TopologyError
from narval.topology.check import find_mistakes
from narval.topology.model import (
    HOST_NAME,
    PORTS,
    Actor,
    DataSource,
    LogLevel,
    OutputBuffer,
    Role,
    Topology,
)
from narval.topology.numerals import parse_ada_integer
from narval.topology.xml import MAX_BYTES, Element, XmlError, parse_xml

MAX_BUFFER_BYTES = 2**30
"""A larger buffer is a slip of the pen on any machine of today's labs."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SINGLE = {"name", "hostname", "binary_code", "log_level", "debug"}
_REPEATED = {"output_buffer_name", "size", "port", "data_source", "argument"}
_SHOWN = 60


Rule = Callable[[Topology], Iterable[tuple[int, str]]]
"""Finds mistakes in a topology; line and message of each."""


def read_topology(
    path: Path, *, allow_unknown: bool = False, rules: Iterable[Rule] = ()
) -> Topology:
    """Read a file; arguments and errors as `parse_topology`, OSError if it cannot be read."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)  # no more of a file that is huge, or has no end
    return parse_topology(data, str(path), allow_unknown=allow_unknown, rules=rules)


def parse_topology(
    data: bytes, file: str, *, allow_unknown: bool = False, rules: Iterable[Rule] = ()
) -> Topology:
    """Return the topology in this text.

    Args:
        data: the text, in the encoding that it declares.
        file: its name, for messages.
        allow_unknown: pass over elements in actors that this package does not know. The original's
            own list of them is not published in full.
        rules: to be kept besides those of `narval.topology.check`.

    Raises:
        TopologyError: names all mistakes.
    """
    try:
        root = parse_xml(data)
    except XmlError as error:
        raise TopologyError([Mistake(file, error.line, error.message)]) from error
    reader = _Reader(file, allow_unknown=allow_unknown)
    topology = reader.topology(root)
    mistakes = reader.mistakes or [
        Mistake(file, line, message)
        for rule in (find_mistakes, *rules)
        for line, message in rule(topology)
    ]
    if mistakes:
        raise TopologyError(mistakes)
    return topology


@dataclass
class _Buffer:
    """An output buffer of which not everything may be known yet."""

    name: str
    line: int
    size_bytes: int | None = None
    port: str | None = None


@dataclass
class _Reader:
    file: str
    allow_unknown: bool
    mistakes: list[Mistake] = field(default_factory=list)

    def topology(self, root: Element) -> Topology:
        if root.name != "configuration":
            self._blame(root, f"the file must hold <configuration>, not <{_cut(root.name)}>")
            return Topology(())
        actors = [self._actor(child) for child in root.children]
        return Topology(tuple(actor for actor in actors if actor is not None))

    def _actor(self, element: Element) -> Actor | None:
        try:
            role = Role(element.name)
        except ValueError:
            self._blame(element, f"unknown element <{_cut(element.name)}>{_guess(element, Role)}")
            return None
        if not self.allow_unknown:
            for child in element.children:
                if child.name not in _SINGLE | _REPEATED:
                    known = _guess(child, _SINGLE | _REPEATED)
                    self._blame(child, f"unknown element <{_cut(child.name)}>{known}")
        outputs = self._outputs(element)
        sources = tuple(self._source(child) for child in element.all("data_source"))
        self._check_count(element, "output_buffers", len(outputs))
        self._check_count(element, "input_buffers", len(sources))
        return Actor(
            name=self._name(element, "name"),
            role=role,
            hostname=self._hostname(element),
            binary_code=self._word(element, "binary_code"),
            log_level=self._log_level(element),
            outputs=outputs,
            sources=sources,
            arguments=tuple(child.text for child in element.all("argument")),
            line=element.line,
        )

    def _word(self, element: Element, name: str) -> str:
        found = list(element.all(name))
        if not found:
            self._blame(element, f"<{element.name}> lacks <{name}>")
            return ""
        for again in found[1:]:
            self._blame(again, f"<{name}> occurs for the second time")
        if not found[0].text:
            self._blame(found[0], f"<{name}> is empty")
        return found[0].text

    def _name(self, element: Element, name: str) -> str:
        word = self._word(element, name)
        if word and not _NAME.fullmatch(word):
            self._blame(next(element.all(name)), f"{_cut(word)!r} is not a name: {_NAME.pattern}")
        return word

    def _hostname(self, element: Element) -> str:
        word = self._word(element, "hostname")
        if word and not HOST_NAME.fullmatch(word):
            self._blame(
                next(element.all("hostname")), f"{_cut(word)!r} is not a host name or address"
            )
        return word

    def _log_level(self, element: Element) -> LogLevel:
        found = [*element.all("log_level"), *element.all("debug")]
        if not found:
            return LogLevel.INFO
        try:
            return LogLevel(found[0].text.lower())
        except ValueError:
            allowed = ", ".join(LogLevel)
            self._blame(found[0], f"{_cut(found[0].text)!r} is not a log level ({allowed})")
            return LogLevel.INFO

    def _outputs(self, element: Element) -> tuple[OutputBuffer, ...]:
        buffers: dict[str, _Buffer] = {}
        last: _Buffer | None = None
        for child in element.children:
            if child.name == "output_buffer_name":
                last = _Buffer(child.text, child.line)
                if not _NAME.fullmatch(child.text):
                    self._blame(child, f"{_cut(child.text)!r} is not a name: {_NAME.pattern}")
                elif child.text in buffers:
                    self._blame(child, f"there are two output buffers named {child.text!r}")
                buffers[child.text] = last
            elif child.name in {"size", "port"}:
                self._buffer_fact(child, buffers, last)
        return tuple(self._finished(buffer) for buffer in buffers.values())

    def _buffer_fact(
        self, child: Element, buffers: dict[str, _Buffer], last: _Buffer | None
    ) -> None:
        """Note a size or a port; without an attribute it is that of the last buffer named."""
        wanted = child.attributes.get("output_buffer")
        buffer = last if wanted is None else buffers.get(wanted)
        if buffer is None:
            missing = "no <output_buffer_name> before it"
            if wanted is not None:
                missing = f"no output buffer named {_cut(wanted)!r} before it"
            self._blame(child, f"<{child.name}> has {missing}")
            return
        if child.name == "size":
            buffer.size_bytes = self._size(child)
            return
        if wanted is None and buffer.size_bytes is None:
            self._blame(child, "<size> must stand before <port> when they name no output buffer")
        buffer.port = child.text.lower()
        if buffer.port not in PORTS:
            self._blame(child, f"{_cut(child.text)!r} is not a port ({', '.join(PORTS)})")

    def _size(self, child: Element) -> int:
        try:
            size = parse_ada_integer(child.text)
        except ValueError as error:
            self._blame(child, f"<size>: {error}")
            return 1
        if not 1 <= size <= MAX_BUFFER_BYTES:
            self._blame(child, f"<size> must be 1 to {MAX_BUFFER_BYTES:_} bytes, not {size:_}")
        return size

    def _finished(self, buffer: _Buffer) -> OutputBuffer:
        for name, value in (("size", buffer.size_bytes), ("port", buffer.port)):
            if value is None:
                message = f"the output buffer {_cut(buffer.name)!r} lacks its <{name}>"
                self.mistakes.append(Mistake(self.file, buffer.line, message))
        return OutputBuffer(buffer.name, buffer.size_bytes or 1, buffer.port or "", buffer.line)

    def _source(self, child: Element) -> DataSource:
        if not child.text:
            self._blame(child, "<data_source> must hold the name of an actor")
        port = child.attributes.get("source_port", "").lower()
        return DataSource(child.text, child.attributes.get("source_buffer", ""), port, child.line)

    def _check_count(self, element: Element, attribute: str, count: int) -> None:
        declared = element.attributes.get(attribute)
        if declared is None:
            return
        try:
            number = parse_ada_integer(declared)
        except ValueError as error:
            self._blame(element, f"{attribute}: {error}")
            return
        if number != count:
            self._blame(element, f'{attribute}="{number}", but {count} are described')

    def _blame(self, element: Element, message: str) -> None:
        self.mistakes.append(Mistake(self.file, element.line, message))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _guess(element: Element, known: Iterable[str]) -> str:
    names = [str(name) for name in known]
    close = difflib.get_close_matches(element.name[:_SHOWN], names, n=1)
    return f"; did you mean <{close[0]}>?" if close else f" (known: {', '.join(sorted(names))})"
