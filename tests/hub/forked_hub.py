"""A hub's process, forked from one that has loaded the hub's modules already.

Two thirds of the processor time of a hub's start are imports, and the suite starts well over a
hundred hubs. What runs is what `python -m jupyterhub` runs: with an environment, a folder, a
session and a log of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["jupyterhub.app", "vmlab.configure", "vmlab.spawning.spawner", "vmlab.providers.fake"]
)


class ForkedHub:
    """What tests need of `subprocess.Popen`, for one hub."""

    def __init__(self, words: list[str], folder: Path, log: Path) -> None:
        self._process = _FORKS.Process(target=_run, args=(words, folder, log, dict(os.environ)))
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
            raise subprocess.TimeoutExpired("jupyterhub", timeout or 0)
        return self._process.exitcode


def _run(words: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> None:
    """Be the hub, in the forked process."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As `python -m` does: the folder first, then what the environment names.
    named = environment.get("PYTHONPATH", "")
    sys.path[:0] = [str(folder), *filter(None, named.split(os.pathsep))]
    sys.argv = ["jupyterhub", *words]
    from jupyterhub.app import main

    try:
        main()
    finally:
        # A process of multiprocessing ends without them.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
