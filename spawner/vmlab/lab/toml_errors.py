"""Reading a TOML file that a person wrote, and naming every mistake in it at once.

Each mistake carries file, line, the value, what is allowed and the nearest valid name. What the
values mean is left to the caller (`vmlab.lab.lab`, recipes, courses).

    file = load_toml(Path("lab.toml"))
    root = file.root()
    machine = root.table("machine")
    cpus = machine.whole("cpus", default=1, minimum=1, maximum=64)
    file.finish()  # raises one ConfigError that holds all mistakes, if there were any
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from vmlab.errors import ConfigError
from vmlab.lab.toml_lines import KeyPath, find_lines

MAX_BYTES = 256 * 1024
"""No file that a person writes is larger; a larger one is something else."""

SHOWN_VALUE = 60
"""Characters of a wrong value that a message repeats."""

_MAX_DOTS = 100
_TOLD = 50
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')

Choice = TypeVar("Choice", bound=StrEnum)


class Required:
    """The type of REQUIRED."""


REQUIRED: Final = Required()
"""As a default: the key must be there."""


@dataclass(frozen=True)
class Mistake:
    """One mistake: where it stands and what is wrong."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the valid word that is most like this one, or None if none is like it."""
    by_folded = {w.casefold(): w for w in words}
    found = difflib.get_close_matches(word.casefold()[:200], by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or nothing, and the allowed words, for the end of a message."""
    allowed = sorted(words)
    if not allowed:
        return " (no keys are allowed here)"
    close = nearest(word, allowed)
    guess = f"; did you mean {close!r}?" if close else ""
    return f"{guess} (allowed: {', '.join(allowed)})"


def show(value: object) -> str:
    """Return a value as a message repeats it: one line, cut, control characters visible."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        text = repr(value)
    except ValueError:  # TOML's 0xfff… may have more digits than Python writes as a decimal
        text = "a whole number of thousands of digits"
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}…"


def mistakes_error(name: str, mistakes: Iterable[Mistake], *, hint: str = "") -> ConfigError:
    """Return one error that names all mistakes, the first fifty, in the order of their lines."""
    ordered = sorted(mistakes, key=lambda m: m.line)
    if len(ordered) == 1:
        return ConfigError(str(ordered[0]), hint=hint)
    listed = "".join(f"\n  {mistake}" for mistake in ordered[:_TOLD])
    more = f"\n  and {len(ordered) - _TOLD} more" if len(ordered) > _TOLD else ""
    return ConfigError(f"{name} has {len(ordered)} mistakes:{listed}{more}", hint=hint)


def load_toml(path: Path) -> TomlFile:
    """Read and parse a file.

    Raises:
        ConfigError: it cannot be read, is too large, or is not TOML; names the line.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as e:
        raise ConfigError(f"{path} cannot be read: {e.strerror or e}") from e
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise ConfigError(
            f"{path}:{line}: not UTF-8 text (byte 0x{content[e.start]:02x})",
            hint="save the file as UTF-8",
        ) from e
    return parse_toml(text, str(path))


def parse_toml(text: str, name: str) -> TomlFile:
    """Parse a text; `name` is what messages call the file.

    Raises:
        ConfigError: it is not TOML; names the line.
    """
    _check_dots(text, name)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        # Python 3.11's error has the position in its text only.
        found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(e), re.DOTALL)
        if found:
            message, line, column = found[1], found[2], f", column {found[3]}"
        else:
            message = str(e).removesuffix(" (at end of document)")
            line, column = str(text.count("\n") + 1), ""
        raise ConfigError(
            f"{name}:{line}{column}: not valid TOML: {message}",
            hint="texts are between double quotes, sections between [ and ]",
        ) from e
    except (ValueError, RecursionError) as e:
        # A number of thousands of digits, or arrays nested hundreds deep.
        raise ConfigError(f"{name}: not usable TOML: {e}") from e
    return TomlFile(name, data, find_lines(text))


def _check_dots(text: str, name: str) -> None:
    """Refuse keys of very many parts: for tomllib, too, time and memory grow with the square.

    Raises:
        ConfigError: names the line.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MAX_DOTS and _QUOTED.sub("", line).count(".") > _MAX_DOTS:
            raise ConfigError(
                f"{name}:{number}: more than {_MAX_DOTS} dots outside quotes",
                hint="a key has a few parts at most, such as machine.cpus",
            )


class TomlFile:
    """A parsed file and the mistakes found in it so far."""

    def __init__(self, name: str, data: dict[str, Any], lines: Mapping[KeyPath, int]) -> None:
        self.name = name
        self.data = data
        self.mistakes: list[Mistake] = []
        self._lines = lines
        self._tables: list[Table] = []

    def root(self) -> Table:
        """Return the file's top level."""
        return self.make_table((), self.data)

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, or of the nearest table around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def mistake(self, path: KeyPath, message: str) -> None:
        """Note a mistake at this key."""
        where = ".".join(str(p) if isinstance(p, str) else f"[{p + 1}]" for p in path)
        text = f"{where.replace('.[', '[')}: {message}" if where else message
        self.mistakes.append(Mistake(self.name, self.line(path), text))

    def finish(self, *, hint: str = "") -> None:
        """Report what nobody asked for as unknown keys, then all mistakes.

        Raises:
            ConfigError: there was at least one mistake; names them all.
        """
        for table in self._tables:
            table.note_unknown_keys()
        if self.mistakes:
            raise mistakes_error(self.name, self.mistakes, hint=hint)

    def make_table(self, path: KeyPath, data: dict[str, Any]) -> Table:
        """Return a table whose unknown keys `finish` will report."""
        table = Table(self, path, data)
        self._tables.append(table)
        return table


class Table:
    """One table: every key that is asked for becomes a known one.

    Each method returns the value when it is right, and otherwise notes a mistake and returns the
    default (or an empty value of the right type when the key is required), so that reading goes on
    and finds the next mistake.
    """

    def __init__(self, file: TomlFile, path: KeyPath, data: dict[str, Any]) -> None:
        self.file = file
        self.path = path
        self._data = data
        self._known: set[str] = set()

    def mistake(self, key: str, message: str) -> None:
        """Note a mistake at a key of this table."""
        self.file.mistake((*self.path, key), message)

    def has(self, key: str) -> bool:
        """Tell whether the key is written, and make it a known one."""
        self._known.add(key)
        return key in self._data

    def keys(self) -> tuple[str, ...]:
        """Return the keys that are written, for a table whose keys are free, as known ones."""
        self._known |= self._data.keys()
        return tuple(self._data)

    def raw(self, key: str, *, required: bool = False) -> Any:
        """Return the value as parsed, or None when the key is not written."""
        if not self.has(key) and required:
            self.mistake(key, "missing")
        return self._data.get(key)

    def text(
        self,
        key: str,
        default: str | Required = REQUIRED,
        *,
        pattern: str = "",
        allowed: str = "a text",
        max_length: int = 1000,
    ) -> str:
        """Read a text of at most `max_length` characters.

        `pattern` is a regular expression that the whole text must match, `allowed` the same in
        words, for the message.
        """
        value = self.raw(key, required=isinstance(default, Required))
        fallback = "" if isinstance(default, Required) else default
        if value is None:
            return fallback
        if not isinstance(value, str):
            self.mistake(key, f"{show(value)} is not a text between quotes; allowed: {allowed}")
        elif len(value) > max_length:
            self.mistake(key, f"longer than {max_length} characters; allowed: {allowed}")
        elif pattern and not re.fullmatch(pattern, value):
            self.mistake(key, f"{show(value)} is not allowed; allowed: {allowed}")
        else:
            return value
        return fallback

    def choice(self, key: str, choices: type[Choice], default: Choice) -> Choice:
        """Read one of a closed set of words."""
        return choices(self.word(key, [c.value for c in choices], default.value))

    def word(self, key: str, words: Collection[str], default: str) -> str:
        """Read one of these words."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str) and value in words:
            return value
        guess = did_you_mean(value, words) if isinstance(value, str) else ""
        self.mistake(key, f"{show(value)} is not allowed{guess or f'; allowed: {list(words)}'}")
        return default

    def whole(
        self, key: str, default: int | Required = REQUIRED, *, minimum: int, maximum: int
    ) -> int:
        """Read a whole number."""
        value = self.raw(key, required=isinstance(default, Required))
        fallback = minimum if isinstance(default, Required) else default
        if value is None:
            return fallback
        if not isinstance(value, int) or isinstance(value, bool):
            self.mistake(
                key, f"{show(value)} is not a whole number; allowed: {minimum} to {maximum}"
            )
        elif not minimum <= value <= maximum:
            self.mistake(key, f"{show(value)} is out of range; allowed: {minimum} to {maximum}")
        else:
            return value
        return fallback

    def number(self, key: str, default: float, *, minimum: float, maximum: float) -> float:
        """Read a number, whole or with a fraction."""
        value = self.raw(key)
        allowed = f"allowed: {minimum:g} to {maximum:g}"
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.mistake(key, f"{show(value)} is not a number; {allowed}")
        elif not minimum <= value <= maximum:
            self.mistake(key, f"{show(value)} is out of range; {allowed}")
        else:
            return float(value)
        return default

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.mistake(key, f"{show(value)} is not allowed; allowed: true, false (no quotes)")
            return default
        return value

    def texts(
        self, key: str, default: tuple[str, ...] = (), *, pattern: str = "", allowed: str = "texts"
    ) -> tuple[str, ...]:
        """Read a list of texts; each wrong element is a mistake of its own."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, list):
            self.mistake(key, f"{show(value)} is not a list between [ and ]; allowed: {allowed}")
            return default
        good: list[str] = []
        for number, element in enumerate(value):
            if isinstance(element, str) and (not pattern or re.fullmatch(pattern, element)):
                good.append(element)
            else:
                path = (*self.path, key, number)
                self.file.mistake(path, f"{show(element)} is not allowed; allowed: {allowed}")
        return tuple(good)

    def table(self, key: str, *, required: bool = False) -> Table:
        """Read a table; an empty one when it is not written."""
        value = self.raw(key, required=required)
        if value is not None and not isinstance(value, dict):
            self.mistake(key, f"{show(value)} is not a section; write [{key}] on a line of its own")
            value = None
        return self.file.make_table((*self.path, key), value or {})

    def tables(self, key: str) -> tuple[Table, ...]:
        """Read an array of tables."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self.mistake(key, f"{show(value)} is not a list of sections; write [[{key}]]")
            return ()
        path = (*self.path, key)
        return tuple(self.file.make_table((*path, i), v) for i, v in enumerate(value))

    def note_unknown_keys(self) -> None:
        """Note each key that nobody asked for."""
        for key in self._data.keys() - self._known:
            self.mistake(key, f"unknown key{did_you_mean(key, self._known)}")
