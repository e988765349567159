"""What a file's tests must leave as they found it: the next file runs in the same process.

Which file is next is chance (pytest-xdist), so what one leaves fails another one, now and then. A
thread is the worst of it: it draws from `random` while Hypothesis does, writes into what the next
test captures, or holds a port.
"""

from __future__ import annotations

import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures.thread import _worker
from contextlib import contextmanager

_PAUSE_S = 0.05
LIMIT_S = 60.0
"""For threads that were told to end; only a failure ever waits so long."""

_CLOSER_OF_RESOLVERS = "_run_safe_shutdown_loop"  # of pycares, which aiohttp resolves names with
_SECRET = "environment"
_OF_PYTEST = "PYTEST_CURRENT_TEST"
_OF_PYTEST_TIMEOUT = signal.SIGALRM


@contextmanager
def threads_end(limit_s: float = LIMIT_S) -> Iterator[None]:
    """Wait after the block until the threads that were begun in it have ended.

    Raises:
        AssertionError: some had not after `limit_s` seconds; tells their names and stacks.
    """
    before = set(threading.enumerate())
    yield
    left = _wait_for_threads(before, limit_s)
    assert not left, f"threads go on after {limit_s:g} s:\n{_show_threads(left)}"


@contextmanager
def left_as_found() -> Iterator[None]:
    """Fail after the block if it changed something of this process that the next file relies on."""
    before = _look_around()
    with threads_end():
        yield
    changes = list(_compare(before, _look_around()))
    assert not changes, "this file leaves its process otherwise than it found it:\n" + "\n".join(
        changes
    )


def _wait_for_threads(before: set[threading.Thread], limit_s: float) -> list[threading.Thread]:
    deadline = time.monotonic() + limit_s
    while left := [each for each in threading.enumerate() if each not in before | _idle()]:
        if time.monotonic() >= deadline:
            break
        left[0].join(_PAUSE_S)
    return left


def _idle() -> set[threading.Thread]:
    """Return the threads that do nothing of their own accord, for as long as the process lasts.

    Pools that wait for work: modules keep some, and so does a library's event loop.
    """
    frames = sys._current_frames()
    return {
        thread
        for thread in threading.enumerate()
        if thread.name.endswith(f"({_CLOSER_OF_RESOLVERS})")
        or ((frame := frames.get(thread.ident or 0)) and frame.f_code is _worker.__code__)
    }


def _show_threads(threads: Collection[threading.Thread]) -> str:
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name}\n{''.join(traceback.format_stack(frames[thread.ident]))}"
        for thread in threads
        if thread.ident in frames  # else it ended at last
    )


def _look_around() -> dict[str, Mapping[str, object]]:
    umask = os.umask(0o077)  # the only way to ask
    os.umask(umask)
    return {
        _SECRET: {k: v for k, v in os.environ.items() if k != _OF_PYTEST},
        "process": {
            "folder": os.getcwd(),  # noqa: PTH109 - compared only
            "umask": oct(umask),
            "user and group": (os.getresuid(), os.getresgid()),
        },
        "signals": {
            each.name: signal.getsignal(each)
            for each in signal.Signals
            if each is not _OF_PYTEST_TIMEOUT
        },
        "limits": {
            name: resource.getrlimit(getattr(resource, name))
            for name in dir(resource)
            if name.startswith("RLIMIT_")
        },
        "logging": _look_at_logging(),
        "Python": {
            "sys.path": tuple(sys.path),
            "sys.argv": tuple(sys.argv),
            "threading.excepthook": threading.excepthook,
            "sys.getprofile": sys.getprofile(),
            "threading.getprofile": threading.getprofile(),
            "logging.disable": logging.root.manager.disable,
            "gc.isenabled": gc.isenabled(),
            "gc.get_threshold": gc.get_threshold(),
            "socket.getdefaulttimeout": socket.getdefaulttimeout(),
            "locale": locale.setlocale(locale.LC_ALL),
        },
    }


def _look_at_logging() -> dict[str, object]:
    """Return what the loggers that exist do with records; pytest's own handlers come and go."""
    return {
        logger.name: (
            logging.getLevelName(logger.level),
            "propagates" if logger.propagate else "does not propagate",
            "disabled" if logger.disabled else "enabled",
            *(repr(each) for each in logger.handlers if "_pytest" not in type(each).__module__),
        )
        for logger in (logging.getLogger(), *logging.root.manager.loggerDict.values())
        if isinstance(logger, logging.Logger)
    }


def _compare(
    before: Mapping[str, Mapping[str, object]], after: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    for kind, found in before.items():
        left = after[kind]
        for name in sorted(found.keys() | left.keys()):
            if kind == "logging" and name not in found:
                continue  # made by a module that was imported meanwhile, which would be at any time
            was, now = found.get(name, "nothing"), left.get(name, "nothing")
            if was != now:
                # What the environment holds may be a secret.
                yield f"{kind}, {name}" + (f": {was!r} became {now!r}" if kind != _SECRET else "")
