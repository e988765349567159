"""Running the programs that make an image, so that a failure can be understood and repeated."""

from __future__ import annotations

import collections
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from vmlab.errors import HostError, ImageError
from vmlab.system.environment import download_environment, tool_environment

_SHOWN_LINES = 20


def run(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None] | None = None,
    env: Mapping[str, str] | None = None,
    downloads: bool = False,
    keep_open: Sequence[int] = (),
    hint: str = "",
) -> str:
    """Run a program to its end and return what it wrote (both streams, in order).

    Args:
        on_line: gets every line as it comes.
        env: added to its environment.
        downloads: whether it fetches packages, by the host's own settings of pip, apt and proxies.
        keep_open: file descriptors that the program inherits, such as a lock's.
        hint: what to do when it fails.

    Raises:
        HostError: the program is not installed.
        ImageError: it failed; holds the command to paste into a shell and its last lines.
    """
    lines: list[str] = []
    tail: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**(download_environment() if downloads else tool_environment()), **(env or {})},
            text=True,
            errors="replace",
            pass_fds=keep_open,
            start_new_session=True,  # Ctrl-C comes to us first; we end the whole group
        )
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed", hint="`make lab` names the packages to install"
        ) from error
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    with process.stdout:
        try:
            for line in process.stdout:
                lines.append(line)
                tail.append(line.rstrip())
                if on_line:
                    on_line(line.rstrip())
            code = process.wait()
        except BaseException:
            _end_group(process)
            raise
    if code != 0:
        shown = "\n    ".join(tail)
        raise ImageError(
            f"this command failed with {code}:\n  {shlex.join(command)}\n"
            f"  its last lines:\n    {shown}",
            hint=hint,
        )
    return "".join(lines)


def _end_group(process: subprocess.Popen[str]) -> None:
    """End the program and everything it started; mmdebstrap removes its tree on SIGTERM."""
    for number, patience_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
