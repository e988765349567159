"""What a file leaves behind in its process fails the file that left it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from fakes.waiting import LIMIT_S
from surroundings import left_as_found, threads_end


def test_a_thread_that_goes_on_is_named_with_its_stack() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, args=(LIMIT_S,), name="a follower", daemon=True)
    with (
        pytest.raises(AssertionError, match=r"(?s)go on after 0 s:\na follower\n.*in wait"),
        threads_end(0.0),
    ):
        thread.start()
    gate.set()
    thread.join(LIMIT_S)


def test_a_thread_that_was_told_to_end_is_waited_for() -> None:
    with left_as_found():
        gate = threading.Event()
        thread = threading.Thread(target=gate.wait, args=(LIMIT_S,), daemon=True)
        thread.start()
        gate.set()
    assert not thread.is_alive()


def test_a_pool_may_stay_while_it_waits_for_work() -> None:
    entered, gate = threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        assert gate.wait(LIMIT_S)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(AssertionError, match="go on after 0 s"), threads_end(0.0):
            assert pool.submit(work) and entered.wait(LIMIT_S)  # noqa: PT018 - one statement
        gate.set()
    with threads_end():
        pool = ThreadPoolExecutor(1)
        pool.submit(work).result(LIMIT_S)
    pool.shutdown()


def quieten() -> Callable[[], object]:
    root = logging.getLogger()
    was = root.level
    root.setLevel(logging.CRITICAL)
    return lambda: root.setLevel(was)


def trap() -> Callable[[], object]:
    was = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    return lambda: signal.signal(signal.SIGUSR2, was)


def remember() -> Callable[[], object]:
    os.environ["VMLAB_OF_A_TEST"] = "1"
    return lambda: os.environ.pop("VMLAB_OF_A_TEST")


def mask() -> Callable[[], object]:
    was = os.umask(0o123)
    return lambda: os.umask(was)


def hurry() -> Callable[[], object]:
    socket.setdefaulttimeout(5.0)
    return lambda: socket.setdefaulttimeout(None)


def extend() -> Callable[[], object]:
    sys.path.append("/nowhere")
    return lambda: sys.path.remove("/nowhere")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (quieten, r"logging, root: \('WARNING', .* became \('CRITICAL', "),
        (trap, r"signals, SIGUSR2: .*SIG_DFL.* became .*SIG_IGN"),
        (remember, r"environment, VMLAB_OF_A_TEST$"),
        (mask, "process, umask: '0o[0-7]+' became '0o123'"),
        (hurry, r"Python, socket.getdefaulttimeout: None became 5\.0"),
        (extend, "Python, sys.path: .*'/nowhere'"),
    ],
)
def test_what_is_changed_is_told(change: Callable[[], Callable[[], object]], told: str) -> None:
    with ExitStack() as undone, pytest.raises(AssertionError, match=told), left_as_found():
        undone.callback(change())
    with left_as_found():
        change()()
