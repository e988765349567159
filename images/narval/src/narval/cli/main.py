"""The program narval."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import narval
from narval import __version__
from narval.config import Port, naming_address, parse_address
from narval.console import complain, program
from narval.errors import NarvalError, TopologyError
from narval.topology.model import LogLevel

PROGRAM = "narval"

_FIRST_STEPS = """\
first steps:
  narval topology check chain.xml        are there mistakes in it?
  narval run chain.xml --seconds 10      run all of it on this machine
  narval bench                           how fast are the links here?
  gcc -shared -fPIC -I$(narval include) -o libmine.so mine.c

the same in parts, each program in a terminal of its own (each has --help):
  narval_naming_service                  tells the others where they are
  central_log                            takes the log
  aws_shell                              takes the shell's commands
  narval_shell                           a prompt: help, launch, set, get
    narval> launch tandem localhost
    narval> set configuration_file chain.xml tandem
    narval> set action configure tandem    then load, initialise, start, stop
    narval> get state tandem

files, runs and the secret are in NARVAL_CONFIG, else ~/.narval
"""


@program
def main(arguments: Sequence[str] | None = None) -> int:
    """Run narval; return its exit code: 0 only if all is well."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["bench"]:
        from narval.bench.program import main as bench  # noqa: PLC0415 - it parses its own options

        return int(bench(words[1:]) or 0)
    if words[:1] == ["shell"]:
        from narval.shell.program import main as shell  # noqa: PLC0415 - as above

        return shell(words[1:])
    given = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except TopologyError as error:
        sys.stderr.write(f"{error}\n")  # as FILE:LINE: MESSAGE, which editors understand
        return 1
    except NarvalError as error:
        complain(PROGRAM, error)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Distributed data acquisition, compatible with NARVAL.",
        epilog=_FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"narval {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_topology(commands.add_parser("topology", help="check, draw or convert a topology"))
    _add_run(commands.add_parser("run", help="run a topology, all of it on this machine"))
    text = "where the header of plugins in C is: gcc -I$(narval include) ..."
    commands.add_parser("include", help=text, description=text).set_defaults(run=_include)
    commands.add_parser("bench", help="measure the links (narval bench --help)")
    commands.add_parser("shell", help="the same as narval_shell (narval shell --help)")
    return parser


def _add_topology(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text, has_output in (
        ("check", "tell all mistakes in it, by file and line", False),
        ("draw", "a picture of it (SVG)", True),
        ("convert", "write it in NARVAL's present dialect, also from that of version 1.10", True),
    ):
        each = commands.add_parser(name, help=text, description=text)
        each.add_argument("file", metavar="FILE", type=Path)
        unknown = "pass over elements that this package does not know"
        each.add_argument("--allow_unknown", action="store_true", help=unknown)
        if has_output:
            output = "default: standard output"
            each.add_argument("-o", "--output", metavar="FILE", type=Path, help=output)
        each.set_defaults(run=_topology, what=name)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the topology")
    parser.add_argument("--seconds", type=_positive, help="how long; default: until Ctrl-C")
    text = "default: one more than the highest"
    parser.add_argument("--run_number", metavar="N", type=int, help=text)
    text = "default: the file's name without its ending"
    parser.add_argument("--sub_system", metavar="NAME", help=text)
    text = "used if it runs, else started; default: NARVAL_NAMING_SERVICE, else here"
    parser.add_argument("--naming_service", metavar="HOST:PORT", help=text)
    levels = [str(level) for level in LogLevel]
    parser.add_argument("--log_level", choices=levels, default="warn", help="default: warn")
    parser.set_defaults(run=_run)


def _include(_given: argparse.Namespace) -> int:
    sys.stdout.write(f"{Path(narval.__file__).parent / 'include'}\n")
    return 0


def _topology(given: argparse.Namespace) -> int:
    from narval.cli import topology  # noqa: PLC0415 - each command imports its own

    match given.what:
        case "check":
            topology.check(given.file, allow_unknown=given.allow_unknown)
        case "draw":
            topology.draw(given.file, given.output, allow_unknown=given.allow_unknown)
        case "convert":
            topology.convert(given.file, given.output, allow_unknown=given.allow_unknown)
    return 0


def _run(given: argparse.Namespace) -> int:
    import logging  # noqa: PLC0415 - each command imports its own

    from narval.cli.run import RunRequest, run  # noqa: PLC0415
    from narval.control.log_record import PYTHON_LEVELS  # noqa: PLC0415
    from narval.control.service import log_to_stderr, run_until_stopped  # noqa: PLC0415

    log_to_stderr(PROGRAM, given.log_level)
    logging.getLogger("narval").setLevel(min(PYTHON_LEVELS[LogLevel(given.log_level)], 20))
    for handler in logging.getLogger().handlers:
        handler.setLevel(PYTHON_LEVELS[LogLevel(given.log_level)])  # the log's file keeps more
    naming = naming_address()
    if given.naming_service is not None:
        naming = parse_address(given.naming_service, Port.NAMING_SERVICE)
    request = RunRequest(
        file=given.file,
        sub_system=given.sub_system or given.file.stem,
        seconds=given.seconds,
        run_number=given.run_number,
        naming=naming,
        log_level=LogLevel.DEBUG,
    )
    return run_until_stopped(PROGRAM, lambda stop: run(request, stop))


def _positive(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
