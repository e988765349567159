"""The program narval_shell: a prompt, one command, or a script."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from narval import __version__
from narval.config import LOOPBACK, Port, config_folder, parse_address, read_secret
from narval.console import complain, program, say
from narval.errors import NarvalError
from narval.shell.client import Reply, ShellClient
from narval.shell.lines import fill_in, split_commands
from narval.shell.plain import format_plainly

PROGRAM = "narval_shell"

Show = Callable[[Reply], None]
Ask = Callable[[str, Path | None], bool]
"""Does a line, whose names of files begin at the folder; tells whether it was done."""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run narval_shell; return its exit code: 0 only if every command was done."""
    given = _parser().parse_args(arguments)
    try:
        where = given.server or os.environ.get("NARVAL_SHELL") or LOOPBACK
        client = ShellClient(parse_address(where, Port.SHELL), read_secret(config_folder()))
        show = show_xml if given.xml else show_plainly
        ask = functools.partial(_ask, client, show)
        if given.script is not None:
            lines, place = _read(given.script).splitlines(), given.script.absolute().parent
            return run_lines(ask, lines, str(given.script), given.words, place)
        if len(given.words) == 1:  # "get state tandem; get actors tandem"
            return run_lines(ask, given.words[0].splitlines(), "command", [])
        if given.words:
            return 0 if ask(shlex.join(given.words), None) else 1
        if not sys.stdin.isatty():
            return run_lines(ask, sys.stdin, "standard input", [])
        from narval.shell.prompt import run_prompt  # noqa: PLC0415 - takes a while to import

        return run_prompt(client, show)
    except NarvalError as error:
        complain(PROGRAM, error)
        return 1


def show_xml(reply: Reply) -> None:
    """Show an answer as it came."""
    say(reply.text)


def show_plainly(reply: Reply) -> None:
    """Show an answer as people read it: on standard error where something went wrong."""
    text = format_plainly(reply)
    if reply.is_ok:
        say(text)
    else:
        complain(PROGRAM, text)


def run_lines(
    ask: Ask,
    lines: Iterable[str],
    name: str,
    parameters: Sequence[str],
    directory: Path | None = None,
) -> int:
    """Do the lines of a script until one fails; return the exit code.

    Args:
        ask: does a line and shows the answer.
        name: of the script, for messages.
        parameters: what $1 to $9 stand for.
        directory: where names of files in it begin; None: where this program is.
    """
    for number, line in enumerate(lines, start=1):
        try:
            for command in split_commands(fill_in(line, parameters)):
                if command.split()[:1] == ["exit"]:
                    return 0
                if not ask(command, directory):
                    complain(f"{name}:{number}", f"failed, and all after it: {command.strip()}")
                    return 1
        except NarvalError as error:
            complain(f"{name}:{number}", error)
            return 1
    return 0


def _ask(client: ShellClient, show: Show, line: str, directory: Path | None) -> bool:
    reply = client.ask(line, directory)
    if reply is not None:
        show(reply)
    return reply is None or reply.is_ok


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NarvalError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Leads sub-systems by commands. Without a command: a prompt.",
        epilog="Begin with: narval_shell help. Several at once: narval_shell 'COMMAND; COMMAND'",
    )
    parser.add_argument("--version", action="version", version=f"narval {__version__}")
    text = "of aws_shell; default: NARVAL_SHELL, else this machine's port 6080"
    parser.add_argument("--server", metavar="HOST:PORT", help=text)
    text = "do the lines of this file until one fails; $1 to $9 in it are the words given"
    parser.add_argument("-f", "--script", metavar="FILE", type=Path, help=text)
    text = "show the answers as they come, for programs that read them"
    parser.add_argument("--xml", action="store_true", help=text)
    parser.add_argument("words", nargs=argparse.REMAINDER, help="a command, as in: get sub_systems")
    return parser


if __name__ == "__main__":
    sys.exit(main())
