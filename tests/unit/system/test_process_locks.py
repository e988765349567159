"""Locks between processes: who has one, who waits, and that no lock outlives its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vmlab
from vmlab.providers.qemu.process.launch import SHIM_PYTHONPATH
from vmlab.system.locks import (
    flock_within,
    is_locked,
    lock_holder,
    take_lock,
    try_flock,
    wait_for_flock,
)

# As the shim is started: without site-packages.
_HOLDER = """
import os, sys
from vmlab.system.locks import take_lock, try_flock
kind, what = sys.argv[1:]
print(take_lock(what) if kind == "process" else try_flock(int(what)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def holder(kind: str, what: str, *, keep: tuple[int, ...] = ()) -> Iterator[subprocess.Popen]:
    words = [sys.executable, "-s", "-S", "-c", _HOLDER, kind, what]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=keep,
        env={"PYTHONPATH": SHIM_PYTHONPATH},
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == {"process": b"None\n", "file": b"True\n"}[kind]
            yield process
        finally:
            process.kill()


class TestFlock:
    def test_one_alone_or_many_together(self, path):
        with opened(path) as one, opened(path) as other:
            assert try_flock(one)
            assert try_flock(one), "who has it has it"
            assert not try_flock(other)
            assert not try_flock(other, shared=True)
        with opened(path) as one, opened(path) as other, opened(path) as third:
            assert try_flock(one, shared=True)
            assert try_flock(other, shared=True)
            assert not try_flock(third)

    def test_it_lives_in_every_process_that_inherits_it(self, path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with opened(path) as again, holder("file", str(descriptor), keep=(descriptor,)) as process:
            os.close(descriptor)
            assert not try_flock(again)
            process.kill()
            process.wait(60)
            assert try_flock(again)

    def test_waiting_ends_when_it_is_free(self, path):
        has_it = threading.Event()

        def wait() -> None:
            wait_for_flock(other)
            has_it.set()

        with opened(path) as other:
            with opened(path) as one:
                assert try_flock(one)
                waiting = threading.Thread(target=wait)
                waiting.start()
                assert not has_it.is_set()
            assert has_it.wait(60)
            waiting.join()
            with opened(path) as third:
                assert not try_flock(third)

    async def test_waiting_has_an_end(self, path):
        with opened(path) as one, opened(path) as other:
            await flock_within(one, 60, poll_s=0.001)
            with pytest.raises(TimeoutError):
                await flock_within(other, 0.02, poll_s=0.001)
            assert try_flock(one)
            assert not try_flock(other), "nothing is left of the wait"


class TestProcessLock:
    def test_the_kernel_tells_whose_it_is_until_that_dies(self, path):
        with holder("process", str(path)) as process:
            assert is_locked(str(path))
            assert lock_holder(str(path)) == process.pid
            with pytest.raises(BlockingIOError):
                take_lock(str(path))
            process.kill()
            process.wait(60)
            assert not is_locked(str(path))
            assert lock_holder(str(path)) is None

    def test_a_lock_that_nobody_holds_is_free(self, path):
        assert not is_locked(str(path))
        path.touch()
        assert not is_locked(str(path))
        assert lock_holder(str(path)) is None

    def test_no_lock_through_a_link(self, path):
        path.with_name("victim").touch()
        path.symlink_to("victim")
        for ask in (take_lock, is_locked, lock_holder):
            with pytest.raises(OSError, match="symbolic links"):
                ask(str(path))


def test_there_is_one_place_that_locks():
    root = Path(vmlab.__file__).parent
    found = {
        str(module.relative_to(root))
        for module in root.rglob("*.py")
        if any(call in module.read_text() for call in ("fcntl.flock", "fcntl.lockf", "_SETLK"))
    }
    assert found == {"system/locks.py"}
