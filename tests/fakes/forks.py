"""Hubs and commands, forked from a process that has loaded their modules already.

Two thirds of the processor time of a hub's start are imports, and nearly all of a command's; the
suite starts hundreds of both. What runs is what `python -m jupyterhub` and `vmlab` run: with an
environment, a folder, a session and files of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import forkserver
from pathlib import Path

import pytest

IS_COVERAGE_MEASURED = "COVERAGE_RUN" in os.environ  # in each process from its beginning

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["fakes.preloaded"])
_TESTS = Path(__file__).parents[1]


class Program(StrEnum):
    """What is forked: the module whose `main` it is."""

    HUB = "jupyterhub.app"
    COMMAND = "vmlab.cli"


@dataclass(frozen=True)
class Files:
    """Standard input, and what standard output and errors are added to."""

    input: Path = Path(os.devnull)
    output: Path = Path(os.devnull)
    errors: Path = Path(os.devnull)


class ForkedProcess:
    """What tests need of `subprocess.Popen`, for one hub or command."""

    def __init__(
        self,
        program: Program,
        words: list[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        files: Files,
    ) -> None:
        arguments = (program, words, folder, dict(environment), files)
        _ensure_server()
        self._process = _FORKS.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def poll(self) -> int | None:
        """Return how it ended; None: it runs."""
        return self._process.exitcode

    def send_signal(self, sig: signal.Signals) -> None:
        """Send it a signal; no-op if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it; no-op if it has ended."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode


def run_command(
    *words: str, environment: Mapping[str, str], answer: str = "", limit_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command of `vmlab` as `subprocess.run` does, with this on its standard input.

    Raises:
        subprocess.TimeoutExpired: it did not end in time, and was killed.
    """
    if IS_COVERAGE_MEASURED:
        return subprocess.run(
            [sys.executable, "-c", "from vmlab.cli import main; main()", *words],
            env=environment,
            input=answer,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    with tempfile.TemporaryDirectory(prefix="command-") as scratch:
        files = Files(*(Path(scratch) / name for name in ("input", "output", "errors")))
        files.input.write_text(answer)
        process = ForkedProcess(
            Program.COMMAND, list(words), folder=Path.cwd(), environment=environment, files=files
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        output, errors = files.output.read_text(), files.errors.read_text()
        return subprocess.CompletedProcess(["vmlab", *words], code, output, errors)


def _ensure_server() -> None:
    """Run the process that others are forked from, able to import what it is to have loaded."""
    # ref: https://github.com/python/cpython/issues/126631 - it passes over what it cannot import
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(_TESTS), prepend=os.pathsep)
        forkserver.ensure_running()


def _run(
    program: Program,
    words: list[str],
    folder: Path,
    environment: Mapping[str, str],
    files: Files,
) -> None:
    """Be the program, in the forked process."""
    gc.freeze()  # what was loaded before is there for good: no collection need look at it
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    added = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for standard, file, flags in (
        (0, files.input, os.O_RDONLY),
        (1, files.output, added),
        (2, files.errors, added),
    ):
        opened = os.open(file, flags, 0o644)
        os.dup2(opened, standard)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing closed it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As `python -m` does: the folder first, then what the environment names.
    named = environment.get("PYTHONPATH", "")
    sys.path[:0] = [str(folder), *filter(None, named.split(os.pathsep))]
    sys.argv = [program.split(".", maxsplit=1)[0], *words]
    try:
        importlib.import_module(program).main()
    finally:
        # A process of multiprocessing ends without them.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
