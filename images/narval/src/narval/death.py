"""Why a process has ended, in words. Pure."""

from __future__ import annotations

import signal

SSH_FAILED = 255
"""What ssh ends with when it fails itself, or when the command there was killed by a signal."""

_KILLED = "killed by "


def name_signal(number: int) -> str:
    """Return a signal's name: `SIGSEGV`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def reason_of_end(code: int, *, symbol: str = "", by_ssh: bool = False, last_line: str = "") -> str:
    """Return why a process has ended: `killed by SIGSEGV in process_block`.

    Args:
        code: as subprocess gives it; negative for a signal.
        symbol: the plugin's function that was being called, if one was.
        by_ssh: whether it is ssh's code; what `actor.guard` wrote there last is then the reason.
        last_line: the last that the process wrote, for ends that say little by themselves.
    """
    where = f" in {symbol}" if symbol else ""
    said = f"; it last wrote: {last_line}" if last_line else ""
    if by_ssh and code > 128 and last_line.startswith(_KILLED):
        return last_line
    if by_ssh and code == SSH_FAILED:
        return f"ssh failed, or it was killed there (ssh's exit code {code}){where}{said}"
    if code < 0:
        return f"{_KILLED}{name_signal(-code)}{where}"
    if code > 128 and code - 128 in signal.valid_signals():  # as a shell tells it
        return f"{_KILLED}{name_signal(code - 128)}{where}"
    if code == 0:
        return f"it ended without being asked to{where}{said}"
    return f"exit code {code}{where}{said}"
