"""What all services' programs share: the options, the end by a signal, the line that says where."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine

from narval import __version__
from narval.config import LOOPBACK, naming_address, parse_address
from narval.console import complain
from narval.control.log_record import PYTHON_LEVELS
from narval.errors import NarvalError
from narval.topology.model import LogLevel

LISTENING = "listening on"
"""How the one line begins that a service writes to its standard output."""
NAMING_WAIT_S = 120.0  # all services start at once at a boot, slowly in an emulated guest


def make_parser(program: str, summary: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every service has."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=summary,
        epilog="Files and the secret are in NARVAL_CONFIG, else ~/.narval.",
    )
    parser.add_argument("--version", action="version", version=f"narval {__version__}")
    levels = [str(level) for level in LogLevel]
    parser.add_argument("--log_level", choices=levels, default="info", help="default: info")
    return parser


def add_host(parser: argparse.ArgumentParser) -> None:
    """Add the option of where to listen."""
    text = f"address to listen on; {LOOPBACK} (default): this machine only; 0.0.0.0: all networks"
    parser.add_argument("--host", default=LOOPBACK, help=text)


def add_naming(parser: argparse.ArgumentParser) -> None:
    """Add the option of where the naming service is."""
    parser.add_argument(
        "--naming_service",
        metavar="HOST:PORT",
        type=lambda text: parse_address(text, naming_address({}).port),
        help="default: NARVAL_NAMING_SERVICE, else this machine",
    )


def add_naming_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option of how long a service waits for the naming service when it starts."""
    text = f"how long the naming service may take to come; default: {NAMING_WAIT_S:g}"
    parser.add_argument(
        "--naming_wait", metavar="SECONDS", type=_seconds, default=NAMING_WAIT_S, help=text
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def log_to_stderr(program: str, level: str) -> None:
    """Have what is logged written to standard error."""
    logging.basicConfig(
        level=PYTHON_LEVELS[LogLevel(level)],
        format=f"%(asctime)s {program} %(levelname)s %(message)s",
        stream=sys.stderr,
    )


async def unless_stopped(stop: asyncio.Event, begin: Coroutine[object, object, None]) -> bool:
    """Begin; give it up and return False when `stop` is set first. Raises what it raises."""
    tasks = asyncio.ensure_future(begin), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            return False
        tasks[0].result()
        return True
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run_until_stopped(program: str, work: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run a service until it ends or a signal asks it to; return the exit code.

    Args:
        work: given an event that SIGTERM, SIGINT and SIGHUP set; returns the exit code. The second
            such signal cancels it.
    """

    async def run() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        working = asyncio.ensure_future(work(stop))

        def hear() -> None:
            if stop.is_set():
                working.cancel()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, hear)
        return await working

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        complain(program, "ended at once: a second signal came while it was ending")
        return 130
    except NarvalError as error:
        complain(program, error)
        return 1
