"""Tries targets, each in a process of its own: `python -m fuzz.child`, told by lines of JSON.

All modules are imported once, and instrumented; a process is forked for each target in turn. There
atheris finds which inputs reach new lines; a crash, a hang or too much memory ends the process, and
libFuzzer writes the input.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import atheris

PRODUCT = ["vmlab", "vmlab_protocol", "vmlab_guest", "lab", "narval", "tomllib", "tarfile", "shlex"]
_MAX_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Job:
    """One target to be tried."""

    module: str
    name: str
    options: list[str]  # libFuzzer's
    log: str  # file for what it writes
    limit_s: float  # then it is killed, whatever it does


def main() -> None:
    """Do the jobs on standard input; write name, exit code and seconds of each as it ends."""
    jobs = [Job(**json.loads(line)) for line in sys.stdin]
    warnings.simplefilter("ignore")  # of Python that is parsed, not run
    with atheris.instrument_imports(include=PRODUCT, enable_loader_override=False):
        from fuzz.target import targets_of

        for job in jobs:
            targets_of(job.module)
    for job in jobs:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _fuzz(job)
        code = _wait(pid, began + job.limit_s)
        sys.stdout.write(json.dumps([job.name, code, time.monotonic() - began]) + "\n")
        sys.stdout.flush()


def _fuzz(job: Job) -> None:
    """Fuzz until libFuzzer's limits are reached; ends the process."""
    from fuzz.odd_tokens import replace_token
    from fuzz.target import targets_of

    found = targets_of(job.module)[job.name]
    # libFuzzer looks at the memory once a second; what is asked for at once ends here.
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_BYTES, _MAX_BYTES))
    with Path(job.log).open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        if found.is_text and random.Random(seed).random() < 0.5:
            return replace_token(data, seed, most_bytes)
        return atheris.Mutate(data, most_bytes)

    def run(data: bytes) -> None:
        found.run(data)

    atheris.Setup([sys.argv[0], *job.options], run, custom_mutator=mutate)
    atheris.Fuzz()
    os._exit(0)


def _wait(pid: int, deadline: float) -> int:
    """Return the exit code of a process; it is killed when its time is over."""
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
