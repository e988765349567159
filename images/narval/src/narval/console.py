"""What all our programs have in common where they meet a terminal, a pipe or a locale."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

BROKEN_PIPE = 128 + signal.SIGPIPE
INTERRUPTED = 128 + signal.SIGINT


def program(main: Callable[P, int]) -> Callable[P, int]:
    """Have a program end quietly where its reader has gone (`| head`) or at Ctrl-C.

    Characters that the locale's encoding lacks are written as escapes, and bytes that are not among
    its characters are handed on as they came.
    """

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        _take_any_character()
        try:
            try:
                return main(*args, **kwargs)
            finally:  # --help ends by SystemExit
                sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()
            return BROKEN_PIPE
        except KeyboardInterrupt:
            return INTERRUPTED

    return run


def say(text: str) -> None:
    """Write a line to standard output, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(program: str, text: object) -> None:
    """Write an error to standard error."""
    sys.stderr.write(f"{program}: {text}\n")


def write_file_to_stdout(text: str) -> None:
    """Write a file's text, which is UTF-8 whatever the locale is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _take_any_character() -> None:
    for stream, errors in (
        (sys.stdin, "surrogateescape"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _forget_output() -> None:
    """Have what is still buffered go nowhere: Python would write it at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
