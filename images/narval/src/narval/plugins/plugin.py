"""What an actor calls, whatever it is written in.

An actor's life is a sequence of these calls, all in the actor's data thread: `config` and the
parameters first, `initialise`, then for each run `start`, blocks, `stop`. `monitor` and `ask` are
called from another thread at any time. What goes wrong is raised as NarvalError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError

Value = str | int | float | bool

_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


class EndOfData(NarvalError):  # noqa: N818 - not an error: the run is over for this producer
    """Raised by a producer that has no more data."""


@dataclass(frozen=True)
class Run:
    """What `start` is given."""

    number: int
    folder: Path


@dataclass(frozen=True)
class Parameter:
    """Something that can be set from the topology and from the shell."""

    name: str
    default: Value
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()  # the texts that are allowed; empty: all

    def parse(self, text: str) -> Value:
        """Return the value in this text; its type is the default's.

        Raises:
            NarvalError: it is not one, or out of bounds.
        """
        value = self._convert(text)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low = self.least is not None and value < self.least
            high = self.most is not None and value > self.most
            if low or high or value != value:  # noqa: PLR0124 - not a number
                raise NarvalError(f"{self.name}: {text[:60]!r} is not {self.allowed}")
        return value

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        match self.default:
            case bool():
                return "true or false"
            case int() | float():
                kind = "a whole number" if isinstance(self.default, int) else "a number"
                low = "" if self.least is None else f" from {self.least:g}"
                high = "" if self.most is None else f" up to {self.most:g}"
                return f"{kind}{low}{high}"
            case _:
                return " or ".join(self.choices) or "a text"

    def _convert(self, text: str) -> Value:
        word = text.strip()
        try:
            match self.default:
                case bool():
                    if word.lower() in _YES | _NO:
                        return word.lower() in _YES
                case int():
                    return int(word)  # underscores as in Ada are allowed in Python, too
                case float():
                    return float(word)
                case _:
                    if not self.choices or word in self.choices:
                        return word if self.choices else text
        except ValueError:
            pass
        raise NarvalError(f"{self.name}: {text[:60]!r} is not {self.allowed}")


class Plugin:
    """Base of all; override what is needed.

    Attributes:
        values: of the parameters.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def __init__(self) -> None:
        self.values: dict[str, Value] = {each.name: each.default for each in self.parameters}

    @property
    def title(self) -> str:
        """Its name in messages."""
        return type(self).__name__

    def set(self, name: str, value: str) -> None:
        """Set a parameter.

        Raises:
            NarvalError: there is none of this name, or the value is not allowed.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                self.values[name] = parameter.parse(value)
                return
        known = ", ".join(each.name for each in self.parameters) or "none"
        raise NarvalError(f"there is no parameter {name[:60]!r}; known: {known}")

    def config(self, directory: str) -> None:
        """Read what is in this folder; the folder is the actor's argument algo_path."""

    def initialise(self) -> None:
        """Make ready for runs."""

    def start(self, run: Run) -> None:
        """Begin a run."""

    def stop(self) -> None:
        """End a run; all data has come."""

    def pause(self) -> None:
        """Stand still for a while."""

    def resume(self) -> None:
        """Go on."""

    def reset(self) -> None:
        """Give up whatever is under way."""

    def unload(self) -> None:
        """Give back everything."""

    def monitor(self) -> dict[str, Any] | None:
        """Return a few numbers that go with each status, as JSON holds them."""
        return None

    def losses(self) -> Mapping[str, int]:
        """Return how many frames of the run were lost, by kind; a run that lost some is incomplete.

        Called as `monitor` is.
        """
        return {}

    def ask(self, what: str, with_: Mapping[str, Any]) -> Any:  # noqa: ARG002
        """Answer a question about bigger things, as JSON holds them.

        Raises:
            NarvalError: it is not known here.
        """
        raise NarvalError(f"{type(self).__name__} cannot be asked for {what[:60]!r}")


class Producer(Plugin):
    """Makes data."""

    def produce(self, output: memoryview) -> int:
        """Fill a buffer; return how many bytes are used, 0 for nothing at the moment.

        Raises:
            EndOfData: there is no more.
        """
        raise NotImplementedError


class Filter(Plugin):
    """Makes other data of data."""

    def filter(self, data: memoryview, output: memoryview) -> int:
        """Make output of one block; return how many bytes are used."""
        raise NotImplementedError


class Consumer(Plugin):
    """Takes data."""

    def consume(self, data: memoryview) -> None:
        """Take one block; it is gone when this returns."""
        raise NotImplementedError


class Merger(Plugin):
    """Makes one stream of several.

    Attributes:
        inputs: how many there are; set by the actor before `initialise`, as `names`.
        names: whose data they are.
    """

    inputs: int = 1
    names: Sequence[str] = ()

    def take(self, source: int, data: memoryview) -> None:
        """Take one block of an input."""
        raise NotImplementedError

    def give(self, output: memoryview) -> int:
        """Fill a buffer; called until it returns 0."""
        raise NotImplementedError

    def end(self, source: int) -> None:
        """Take note that an input has ended."""

    def wanted(self) -> Sequence[int]:
        """Return the inputs to be read next; the others wait."""
        return range(self.inputs)
