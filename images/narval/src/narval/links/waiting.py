"""Waiting for descriptors, with a way to be called away."""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
import time
from collections.abc import Mapping


class AbortedError(Exception):
    """A wait was given up because somebody asked for it; not an error for people."""


class Bell:
    """Something that other threads ring and a waiting thread hears; stays rung until cleared.

    Attributes:
        heard_at: when (`time.monotonic`) the last wait with it ended; infinite amid one.
    """

    def __init__(self) -> None:
        self.heard_at = -math.inf
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # the mark and the descriptor say the same
        self.is_rung = False

    def fileno(self) -> int:
        """What to wait for."""
        return self._descriptor

    def ring(self) -> None:
        """Wake who waits, now and from now on."""
        with self._lock:
            if not self.is_rung:
                self.is_rung = True
                os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Be silent again."""
        self.is_rung = False
        with contextlib.suppress(BlockingIOError):  # it was silent
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def wait_for(events: Mapping[int, int], timeout_s: float | None, *bells: Bell) -> dict[int, int]:
    """Wait until one of these descriptors is ready or a bell rings.

    Args:
        events: what is waited for, by descriptor (poll(2)).

    Returns:
        What has happened, by descriptor; without the bells.
    """
    poll = select.poll()
    for descriptor, mask in events.items():
        poll.register(descriptor, mask)
    for bell in bells:
        poll.register(bell.fileno(), select.POLLIN)
    silent = {bell.fileno() for bell in bells}
    for bell in bells:
        bell.heard_at = math.inf
    try:
        found = poll.poll(None if timeout_s is None else timeout_s * 1000)
    finally:
        now = time.monotonic()
        for bell in bells:
            bell.heard_at = now
    return {descriptor: what for descriptor, what in found if descriptor not in silent}
