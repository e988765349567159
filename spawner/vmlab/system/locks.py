"""Locks between processes: the kernel's, so they end with who holds them, whatever way that ends.

| lock | belongs to | who holds it | asked by |
| --- | --- | --- | --- |
| flock | an open file, and every process that inherits it | nobody can tell | trying |
| process lock | one process, which cannot hand it on | the kernel tells its pid | asking |

Both are taken on files made for them, and none is taken twice by one process. The shim of a
machine takes a process lock: standard library only, so that it starts in milliseconds.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct


def try_flock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock the open file, until it is closed everywhere; False if somebody else has it.

    Args:
        shared: with others who share it, too; the lock is nobody's alone then.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_flock(descriptor: int) -> None:
    """Lock the open file; blocks for as long as somebody else has it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


async def flock_within(descriptor: int, limit_s: float, *, poll_s: float) -> None:
    """Lock the open file, while the event loop goes on.

    Raises:
        TimeoutError: somebody else had it all the time.
    """
    async with asyncio.timeout(limit_s):
        while not try_flock(descriptor):  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(poll_s)


def take_lock(path: str, *, inherit: bool = False) -> None:
    """Take the process lock of this file, for as long as this very process lives.

    Not an open file description lock: that could be handed on. The kernel tells who holds it.

    Args:
        inherit: keep it when this process becomes another program.

    Raises:
        BlockingIOError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.set_inheritable(descriptor, inherit)


def is_locked(path: str) -> bool:
    """Tell whether another process holds the process lock of this file, without taking it."""
    return _ask_lock(path) is not None


def lock_holder(path: str) -> int | None:
    """Return the pid of the process that holds the lock; None: nobody, or an older VMLab's."""
    holder = _ask_lock(path)
    return holder if holder and holder > 0 else None


def _ask_lock(path: str) -> int | None:
    """Return who holds the lock: a pid, or -1 for a lock that a descriptor carries."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        words = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = struct.unpack("hhqqi4x", fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, words))
        return None if answer[0] == fcntl.F_UNLCK else int(answer[4])
    finally:
        os.close(descriptor)
