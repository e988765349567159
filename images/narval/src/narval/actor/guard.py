"""How an actor on another host than its coordinator's ended: ssh tells no signal and no symbol."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from narval.death import reason_of_end
from narval.runtime import take_symbol

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def split_off(sub_system: str, uuid: str) -> int | None:
    """Go on in a child process and tell how it ends: on standard error, if a signal ends it.

    Return None in the child; in the parent, which only waits, the exit code: the child's own, or
    128 and the signal's number, as a shell has it. To be called before there are threads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)  # until it is known to whom
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    for number in _HANDED_ON:
        signal.signal(number, lambda got, _frame: os.kill(child, got))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0:
        return code
    with contextlib.suppress(OSError):  # nobody may be left who reads it
        sys.stderr.write(f"{reason_of_end(code, symbol=take_symbol(sub_system, uuid))}\n")
        sys.stderr.flush()
    return 128 - code
