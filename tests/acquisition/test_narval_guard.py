"""What is told of the end of an actor that ssh has started."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from acquisition.programs import SOURCES
from narval.runtime import symbol_file

CHILD = """
import os, signal, sys
from narval.actor.guard import split_off
code = split_off("tandem", "17")
if code is None:
    print(os.getpid(), flush=True)
    {work}
    os._exit(5)
sys.exit(code)
"""


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """A function that starts a guarded process; gives it and its child's number."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(SOURCES))

    def start(work: str) -> tuple[subprocess.Popen, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(work=work)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        return process, int(process.stdout.readline())

    return start


def test_an_exit_code_is_handed_on_without_a_word(guarded):
    process, child = guarded("pass")
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (5, "")
    assert child != process.pid


@pytest.mark.parametrize("symbol", ["", "process_block"])
def test_a_signal_is_told_with_the_function(guarded, symbol):
    if symbol:
        symbol_file("tandem", "17").write_bytes(symbol.encode().ljust(64, b"\0"))
    process, _ = guarded("os.kill(os.getpid(), signal.SIGSEGV)")
    _, told = process.communicate(timeout=60)
    where = f" in {symbol}" if symbol else ""
    assert (process.returncode, told) == (128 + 11, f"killed by SIGSEGV{where}\n")
    assert not symbol_file("tandem", "17").exists()


def test_what_ends_the_guard_ends_the_actor(guarded):
    process, _ = guarded("signal.pause()")
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + 15, "killed by SIGTERM\n")
