"""The shell's commands, from a line of text to what is asked. Pure.

ref: NARVAL wiki, "Narval_Shell_Commands" and "Writing_a_C_actor".
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from narval.shell.lines import SyntaxRefusedError
from narval.states import Action

MAX_CHARACTERS = 4096


class Verb(StrEnum):
    """What a line begins with."""

    HELP = "help"
    LAUNCH = "launch"
    GET = "get"
    SET = "set"
    EXIT = "exit"


@dataclass(frozen=True)
class Form:
    """One form of a command: fixed words, and names in capitals for what a user gives."""

    verb: Verb
    words: tuple[str, ...]
    summary: str

    @property
    def syntax(self) -> str:
        """As `help` shows it."""
        return " ".join((self.verb, *(word.lower() for word in self.words)))

    def match(self, given: Sequence[str]) -> dict[str, str] | None:
        """Return what was given for each name, or None if it is another form."""
        if len(given) != len(self.words):
            return None
        found: dict[str, str] = {}
        for word, text in zip(self.words, given, strict=True):
            if word.isupper():
                found[word.lower()] = text
            elif word != text:
                return None
        return found


def _forms(verb: Verb, *lines: tuple[str, str]) -> tuple[Form, ...]:
    return tuple(Form(verb, tuple(words.split()), summary) for words, summary in lines)


FORMS: tuple[Form, ...] = (
    *_forms(
        Verb.HELP,
        ("", "all commands"),
        ("COMMAND", "one command's forms"),
    ),
    *_forms(
        Verb.LAUNCH,
        ("SUB_SYSTEM_NAME HOST_NAME", "a new sub-system, its coordinator on this host"),
        ("SUB_SYSTEM_NAME HOST_NAME local", "the same, without a terminal of its own"),
    ),
    *_forms(
        Verb.GET,
        ("sub_systems", "all sub-systems"),
        ("actors SUB_SYSTEM_NAME", "the actors of a sub-system"),
        ("arguments SUB_SYSTEM_NAME", "the names of a sub-system's arguments"),
        ("arguments SUB_SYSTEM_NAME ACTOR_NAME", "the names of an actor's arguments"),
        ("ARGUMENT_NAME SUB_SYSTEM_NAME", "the value of a sub-system's argument"),
        ("ARGUMENT_NAME SUB_SYSTEM_NAME ACTOR_NAME", "the value of an actor's argument"),
    ),
    *_forms(
        Verb.SET,
        ("action ACTION SUB_SYSTEM_NAME", "lead a sub-system to another state"),
        ("configuration_file FILE_NAME SUB_SYSTEM_NAME", "the topology of a sub-system"),
        ("library FILE_NAME SUB_SYSTEM_NAME ACTOR_NAME", "the plugin of an actor"),
        ("ARGUMENT_NAME VALUE SUB_SYSTEM_NAME", "the value of a sub-system's argument"),
        ("ARGUMENT_NAME VALUE SUB_SYSTEM_NAME ACTOR_NAME", "the value of an actor's argument"),
    ),
    *_forms(Verb.EXIT, ("", "leave the shell")),
)
"""In the order in which they are tried: fixed words go before names."""


@dataclass(frozen=True)
class Command:
    """A line that was understood."""

    form: Form
    values: dict[str, str]


def parse_command(line: str) -> Command | None:
    """Return what a line asks for; None if it is empty or a comment.

    Example:
        >>> parse_command("set action start tandem").values
        {'action': 'start', 'sub_system_name': 'tandem'}

    Raises:
        SyntaxRefusedError: it is not a command.
    """
    if len(line) > MAX_CHARACTERS:
        raise SyntaxRefusedError(f"a line has at most {MAX_CHARACTERS} characters")
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise SyntaxRefusedError(f"unreadable line: {str(error).lower()}") from error
    if not words:
        return None
    try:
        verb = Verb(words[0])
    except ValueError:
        close = difflib.get_close_matches(words[0][:60], list(Verb), n=1)
        guess = f"; did you mean {close[0]}?" if close else f" (known: {', '.join(Verb)})"
        if words[0] in set(Action):
            guess = f"; did you mean: set action {words[0]} SUB_SYSTEM_NAME?"
        raise SyntaxRefusedError(f"unknown command {words[0][:60]!r}{guess}") from None
    forms = forms_of(verb)
    for form in forms:
        values = form.match(words[1:])
        if values is not None:
            return Command(form, values)
    raise SyntaxRefusedError(f"{verb} is not used like this", forms)


def forms_of(verb: Verb) -> tuple[Form, ...]:
    """Return all forms of a command."""
    return tuple(form for form in FORMS if form.verb is verb)
