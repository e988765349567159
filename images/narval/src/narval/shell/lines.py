"""Lines of the shell's scripts: what stands for a parameter, and where a command ends. Pure.

All that the program of one command needs of the grammar: the rest is the server's.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from narval.errors import NarvalError

if TYPE_CHECKING:
    from narval.shell.grammar import Form

_PARAMETER = re.compile(r"\$([1-9])")


class SyntaxRefusedError(NarvalError):
    """A line that is not a command; carries the forms that come nearest."""

    def __init__(self, message: str, forms: Sequence[Form] = ()) -> None:
        self.forms = tuple(forms)
        super().__init__(message)


def fill_in(line: str, parameters: Sequence[str]) -> str:
    """Return a script's line with $1 to $9 replaced; $1 is the sub-system's name.

    Raises:
        SyntaxRefusedError: the script was given fewer.
    """

    def value(match: re.Match[str]) -> str:
        number = int(match[1])
        if number > len(parameters):
            raise SyntaxRefusedError(
                f"the script uses ${number}, but was given {len(parameters)} parameters"
            )
        return shlex.quote(parameters[number - 1])

    return _PARAMETER.sub(value, line)


def split_commands(line: str) -> list[str]:
    """Return the commands of a line, which are separated by semicolons.

    Example:
        >>> split_commands("get state a; set title 'b; c' a")
        ['get state a', " set title 'b; c' a"]
    """
    commands, quote, escaped = [""], "", False
    for at, char in enumerate(line):
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in {"'", '"'}:
            quote = char
        elif char == "#":  # a comment, to the end
            commands[-1] += line[at:]
            break
        elif char == ";":
            commands.append("")
            continue
        commands[-1] += char
    return commands
