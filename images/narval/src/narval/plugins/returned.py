"""What a plugin in Python returns, and how its functions are made: no mistake there is silent."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from operator import index

from narval.errors import NarvalError
from narval.plugins.plugin import Consumer, Filter, Plugin, Producer

_CALLS = (
    "config", "initialise", "start", "stop", "pause", "resume", "reset", "unload",
    "produce", "filter", "consume", "monitor", "losses", "ask",
)  # fmt: skip
_NEEDED: tuple[tuple[type[Plugin], str], ...] = (
    (Producer, "produce"),
    (Filter, "filter"),
    (Consumer, "consume"),
)
_SHOWN = 60


def check_functions(kind: type[Plugin]) -> None:
    """Refuse a class whose functions would do nothing when they are called.

    Raises:
        NarvalError: one is missing, or is a generator or a coroutine; names it and its line.
    """
    for base, name in _NEEDED:
        if issubclass(kind, base) and getattr(kind, name) is getattr(base, name):
            raise NarvalError(f"{kind.__name__} lacks the function {name}")
    for name in _CALLS:
        function = getattr(kind, name, None)
        word = ""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            word = "has a 'yield', so that calling it does nothing; use 'return'"
        elif inspect.iscoroutinefunction(function):
            word = "is 'async', so that calling it does nothing; write 'def' alone"
        if word and function is not None:
            line = function.__code__.co_firstlineno
            raise NarvalError(f"line {line}: {kind.__name__}.{name} {word}")


def used_bytes(returned: object, room: int, plugin: Plugin, call: str) -> int:
    """Return how many bytes of a buffer a plugin says that it has used.

    Args:
        room: the buffer's size.
        call: the plugin's function that returned this.

    Raises:
        NarvalError: it is no such number.
    """
    try:
        size = -1 if isinstance(returned, bool) else index(returned)  # type: ignore[arg-type]
    except TypeError:
        size = -1
    if 0 <= size <= room:
        return size
    if isinstance(returned, Coroutine):
        returned.close()
    hint = "; is a 'return' missing?" if returned is None else ""
    raise NarvalError(
        f"{plugin.title}: {call} returned {_show(returned)}; allowed is a whole number from 0 to "
        f"{room}, the size of the buffer{hint}"
    )


def _show(returned: object) -> str:
    try:
        text = repr(returned)
    except Exception as error:  # noqa: BLE001 - of somebody's class, which may raise anything
        text = f"something whose repr fails ({type(error).__name__})"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
