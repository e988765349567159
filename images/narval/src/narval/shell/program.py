"""The program narval_shell: a prompt, one command, or a script."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from narval import __version__
from narval.config import LOOPBACK, Port, config_folder, parse_address, read_secret
from narval.control.service import complain, say
from narval.errors import NarvalError
from narval.shell.client import Reply, ShellClient
from narval.shell.grammar import fill_in
from narval.shell.plain import format_plainly

PROGRAM = "narval_shell"

Show = Callable[[Reply], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run narval_shell; return its exit code: 0 only if every command was done."""
    given = _parser().parse_args(arguments)
    try:
        where = given.server or os.environ.get("NARVAL_SHELL") or LOOPBACK
        client = ShellClient(parse_address(where, Port.SHELL), read_secret(config_folder()))
        show = show_xml if given.xml else show_plainly
        if given.script is not None:
            lines = _read(given.script).splitlines()
            return run_lines(client, lines, str(given.script), given.words, show)
        if given.words:
            return 0 if _ask(client, " ".join(map(_quoted, given.words)), show) else 1
        if not sys.stdin.isatty():
            return run_lines(client, sys.stdin, "standard input", [], show)
        from narval.shell.prompt import run_prompt  # noqa: PLC0415 - takes a while to import

        return run_prompt(client, show)
    except NarvalError as error:
        complain(PROGRAM, error)
        return 1
    except KeyboardInterrupt:
        return 130


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
    client: ShellClient, lines: Iterable[str], name: str, parameters: Sequence[str], show: Show
) -> int:
    """Do the lines of a script until one fails; return the exit code.

    Args:
        name: of the script, for messages.
        parameters: what $1 to $9 stand for.
        show: shows an answer.
    """
    for number, line in enumerate(lines, start=1):
        try:
            filled = fill_in(line, parameters)
            if filled.split()[:1] == ["exit"]:
                return 0
            done = _ask(client, filled, show)
        except NarvalError as error:
            complain(f"{name}:{number}", error)
            return 1
        if not done:
            complain(f"{name}:{number}", f"failed, and with it the script: {line.strip()}")
            return 1
    return 0


def _ask(client: ShellClient, line: str, show: Show) -> bool:
    reply = client.ask(line)
    if reply is not None:
        show(reply)
    return reply is None or reply.is_ok


def _quoted(word: str) -> str:
    return shlex.quote(word)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NarvalError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Leads sub-systems by commands. Without a command: a prompt.",
        epilog="Begin with: narval_shell help",
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
