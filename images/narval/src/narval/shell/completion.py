"""What may come next on the shell's line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from narval.shell.grammar import FORMS, Verb
from narval.states import Action

Names = Callable[[str, Sequence[str]], Sequence[str]]
"""Given what a form wants (`SUB_SYSTEM_NAME`) and the words so far: what there is of it."""


def complete(line: str, names: Names) -> list[str]:
    """Return the words that the last word of a line may become.

    Example:
        >>> complete("set action st", names)
        ['start', 'stop']
    """
    words = line.split()
    before, begun = (words, "") if not words or line[-1].isspace() else (words[:-1], words[-1])
    if not before:
        found = [str(verb) for verb in Verb]
    else:
        found = []
        for form in FORMS:
            position = len(before) - 1
            if form.verb != before[0] or len(form.words) <= position:
                continue
            if form.match([*before[1:], *form.words[position:]]) is not None:
                found += _possible(form.words[position], before, names)
    return [word for word in dict.fromkeys(found) if word.startswith(begun)]


def _possible(word: str, before: Sequence[str], names: Names) -> Sequence[str]:
    match word:
        case "ACTION":
            return [str(action) for action in Action]
        case "COMMAND":
            return [str(verb) for verb in Verb]
        case _ if word.isupper():
            return names(word, before)
        case _:
            return [word]
