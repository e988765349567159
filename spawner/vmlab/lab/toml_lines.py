"""Where each key of a TOML text stands: pure, for texts that `tomllib` has already accepted.

Neither tomllib nor tomlkit tells the line of a key, and a mistake without its line is hard to
find. Because the text is known to be valid, this needs no error handling of its own and stays
small; a property test compares the keys that it finds with those of tomllib.

    find_lines(text)[("machine", "cpus")]  →  2
"""

from __future__ import annotations

import tomllib

KeyPath = tuple[str | int, ...]
"""The way to a value from the root: names of keys, and numbers of elements of arrays."""

_BARE_STOP = frozenset(" \t\n\r=.]#,}")
_VALUE_STOP = frozenset("\n#,]}")  # not the blank: a date may hold one


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) on which each table, key and element of an array begins.

    Args:
        text: valid TOML; what is returned for anything else is undefined.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


class _Scan:
    """One pass over a text; `at` is the index of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self._counted_to = 0
        self._array_lengths: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self._array_element(self._key())
                self.at += 2
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._resolve(self._key())
                self.at += 1
            else:
                self._pair(table)

    def _resolve(self, names: list[str]) -> KeyPath:
        """Insert the number of the latest element wherever a name is an array of tables."""
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
            self._mark(path)
        return path

    def _array_element(self, names: list[str]) -> KeyPath:
        array = (*self._resolve(names[:-1]), names[-1])
        self._mark(array)
        number = self._array_lengths.get(array, 0)
        self._array_lengths[array] = number + 1
        path = (*array, number)
        self._mark(path)
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        start_line = self._line_here()
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, start_line)
        self.at += 1  # the equals sign
        self._skip_spaces()
        self._value(path)

    def _key(self) -> list[str]:
        """Read a dotted key and the blanks after it."""
        names: list[str] = []
        while True:
            self._skip_spaces()
            names.append(self._name())
            self._skip_spaces()
            if self.text[self.at : self.at + 1] != ".":
                return names
            self.at += 1

    def _name(self) -> str:
        start = self.at
        if self.text[start] in "\"'":
            self._string()
            name = tomllib.loads(f"x = {self.text[start : self.at]}")["x"]
            return str(name)
        while self.at < len(self.text) and self.text[self.at] not in _BARE_STOP:
            self.at += 1
        return self.text[start : self.at]

    def _value(self, path: KeyPath) -> None:
        char = self.text[self.at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _VALUE_STOP:
                self.at += 1

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        number = 0
        while self._skip_blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._mark((*path, number))
            self._value((*path, number))
            number += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._skip_blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            self._long_string(quote)
            return
        self.at += 1
        while self.text[self.at] != quote:
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += 1

    def _long_string(self, quote: str) -> None:
        self.at += 3
        while not self.text.startswith(quote * 3, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += 3
        for _ in range(2):  # a text may end with one or two quotes of its own
            if self.text.startswith(quote, self.at):
                self.at += 1

    def _mark(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self._line_here())

    def _line_here(self) -> int:
        self.line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self.line

    def _skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _skip_blank(self) -> bool:
        """Skip blanks, line ends and comments; tell whether anything is left."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t\n":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False
