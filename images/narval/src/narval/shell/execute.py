"""Doing what the shell's commands ask for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from narval.client import Access, SubSystem, list_sub_systems
from narval.errors import NarvalError
from narval.shell.answers import Answer, Message, error_answer, help_answer
from narval.shell.grammar import (
    FORMS,
    Command,
    Verb,
    forms_of,
    parse_command,
)
from narval.shell.launch import launch_coordinator
from narval.shell.lines import SyntaxRefusedError, fill_in

SCRIPT_SUFFIX = ".narval"
"""A topology `chain.xml` has the script `chain.narval` next to it."""

MAX_SCRIPT_BYTES = 2**20

Values = Mapping[str, str]


@dataclass(frozen=True)
class Context:
    """What commands are done with.

    Attributes:
        folder: the acquisition's.
        directory: where names of files begin: where the user is, or the script.
        loads_scripts: whether `set configuration_file` runs the script of the same name.
    """

    access: Access
    folder: Path
    directory: Path
    loads_scripts: bool = False


async def execute_line(line: str, context: Context) -> Answer | None:
    """Return the answer to a line; None if it asks for nothing."""
    word = (line.split() or [""])[0][:60]
    try:
        command = parse_command(line)
        return None if command is None else await _execute(command, context)
    except SyntaxRefusedError as error:
        return error_answer(word, str(error), error.forms)
    except NarvalError as error:
        return error_answer(word, str(error))


async def run_script(file: Path, parameters: Sequence[str], context: Context) -> None:
    """Do the lines of a script until one fails; scripts do not load further ones by themselves.

    Raises:
        NarvalError: it cannot be read, or a line failed; names it.
    """
    try:
        if file.stat().st_size > MAX_SCRIPT_BYTES:
            raise NarvalError(f"{file}: a script has at most {MAX_SCRIPT_BYTES} bytes")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NarvalError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    within = replace(context, directory=file.parent, loads_scripts=False)
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            filled = fill_in(line, parameters)
        except NarvalError as error:
            raise NarvalError(f"{file}:{number}: {error}") from error
        answer = await execute_line(filled, within)
        if answer is not None and not answer.is_ok:
            raise NarvalError(f"{file}:{number}: {text_of(answer)}")


def text_of(answer: Answer) -> str:
    """Return an answer's texts as lines."""
    return "\n".join(text for message in answer.messages for _, text in message.lines)


async def _execute(command: Command, context: Context) -> Answer:
    run = _COMMANDS[command.form.verb, command.form.words]
    return await run(command.values, context)


async def _help(_values: Values, _context: Context) -> Answer:
    return replace(help_answer(FORMS), command="help")


async def _help_for(values: Values, _context: Context) -> Answer:
    try:
        verb = Verb(values["command"])
    except ValueError:
        known = ", ".join(Verb)
        raise NarvalError(f"no command {values['command'][:60]!r} (known: {known})") from None
    return help_answer(forms_of(verb))


async def _exit(_values: Values, _context: Context) -> Answer:
    return Answer("exit", True)


async def _launch(values: Values, context: Context) -> Answer:
    name = values["sub_system_name"]
    await launch_coordinator(name, values["host_name"], context.access, context.folder)
    return Answer("launch", True, {"sub_system_name": name})


async def _get_sub_systems(_values: Values, context: Context) -> Answer:
    names = await list_sub_systems(context.access)
    return _list_answer("sub_systems", "sub_system", names)


async def _get_actors(values: Values, context: Context) -> Answer:
    async with await _find(values, context) as sub_system:
        status = await sub_system.status()
    return _list_answer("actors", "actor", [actor["name"] for actor in status.actors])


async def _get_arguments(values: Values, context: Context) -> Answer:
    async with await _find(values, context) as sub_system:
        names = await sub_system.arguments(values.get("actor_name"))
    return _list_answer("arguments", "argument", list(names))


async def _get_argument(values: Values, context: Context) -> Answer:
    async with await _find(values, context) as sub_system:
        value = await sub_system.get(values["argument_name"], values.get("actor_name"))
    lines = [("name", values["argument_name"]), ("value", format_value(value))]
    return Answer("get", True, {}, [Message("argument", lines)])


async def _act(values: Values, context: Context) -> Answer:
    async with await _find(values, context) as sub_system:
        state = await sub_system.act(values["action"])
    return _set_answer(values, action=values["action"], state=state)


async def _set_configuration_file(values: Values, context: Context) -> Answer:
    file = _find_file(values["file_name"], context)
    async with await _find(values, context) as sub_system:
        await sub_system.set_configuration_file(str(file))
    script = file.with_suffix(SCRIPT_SUFFIX)
    if not context.loads_scripts or not script.is_file():
        return _set_answer(values, configuration_file=str(file))
    await run_script(script, [values["sub_system_name"]], context)
    return _set_answer(values, configuration_file=str(file), script=str(script))


async def _set_library(values: Values, context: Context) -> Answer:
    given = Path(values["file_name"]).expanduser()  # in full: may be on the actor's own host
    library = str(given if given.is_absolute() else _find_file(values["file_name"], context))
    async with await _find(values, context) as sub_system:
        await sub_system.set("library", library, values["actor_name"])
    return _set_answer(values, library=library)


async def _set_argument(values: Values, context: Context) -> Answer:
    async with await _find(values, context) as sub_system:
        name, value = values["argument_name"], values["value"]
        await sub_system.set(name, value, values.get("actor_name"))
    return _set_answer(values)


async def _find(values: Values, context: Context) -> SubSystem:
    return await SubSystem.find(values["sub_system_name"], context.access)


def _find_file(name: str, context: Context) -> Path:
    """Return a file's full path: from where the command is, else from the acquisition's folder.

    Raises:
        NarvalError: there is none.
    """
    given = Path(name).expanduser()
    places = (context.directory, context.folder)
    for place in places:
        if (place / given).is_file():
            return place / given
    where = "" if given.is_absolute() else f" in {' or '.join(map(str, places))}"
    raise NarvalError(f"there is no file {name!r}{where}")


def _set_answer(values: Values, **attributes: str) -> Answer:
    names = {key: values[key] for key in ("sub_system_name", "actor_name") if key in values}
    return Answer("set", True, {**names, **attributes})


def _list_answer(kind: str, element: str, texts: Sequence[str]) -> Answer:
    return Answer("get", True, {}, [Message(kind, [(element, text) for text in texts])])


def format_value(value: Any) -> str:
    """Return a value as a command would set it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value)


_Run = Callable[[Values, Context], Awaitable[Answer]]

_COMMANDS: Mapping[tuple[Verb, tuple[str, ...]], _Run] = {
    (Verb(verb), tuple(words.split())): run
    for verb, words, run in (
        ("help", "", _help),
        ("help", "COMMAND", _help_for),
        ("exit", "", _exit),
        ("launch", "SUB_SYSTEM_NAME HOST_NAME", _launch),
        ("launch", "SUB_SYSTEM_NAME HOST_NAME local", _launch),
        ("get", "sub_systems", _get_sub_systems),
        ("get", "actors SUB_SYSTEM_NAME", _get_actors),
        ("get", "arguments SUB_SYSTEM_NAME", _get_arguments),
        ("get", "arguments SUB_SYSTEM_NAME ACTOR_NAME", _get_arguments),
        ("get", "ARGUMENT_NAME SUB_SYSTEM_NAME", _get_argument),
        ("get", "ARGUMENT_NAME SUB_SYSTEM_NAME ACTOR_NAME", _get_argument),
        ("set", "action ACTION SUB_SYSTEM_NAME", _act),
        ("set", "configuration_file FILE_NAME SUB_SYSTEM_NAME", _set_configuration_file),
        ("set", "library FILE_NAME SUB_SYSTEM_NAME ACTOR_NAME", _set_library),
        ("set", "ARGUMENT_NAME VALUE SUB_SYSTEM_NAME", _set_argument),
        ("set", "ARGUMENT_NAME VALUE SUB_SYSTEM_NAME ACTOR_NAME", _set_argument),
    )
}
"""What does each form of the grammar."""
