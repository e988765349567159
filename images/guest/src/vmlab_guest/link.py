"""The line between agent and host: one JSON object a line over a virtio-serial port.

Responsible for I/O only; `agent` interprets messages. The host may come and go at any
time. While no host is connected, reads return end-of-file and writes would block, so:

- the port is watched edge-triggered: no event, no work, also in a machine that waits for days;
- data and the event that a host connected or left travel in different queues, and the driver
  handles the latter later (Linux 6.12, QEMU 7.2): the first bytes of a new host may be read before
  the port says that the old one left. So nothing is dropped at once on that event, but whatever
  could not be sent within `GRACE_S` is, because a new host must not take an answer meant for
  another one.
"""

from __future__ import annotations

import errno
import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from vmlab_guest.lines import LineSplitter
from vmlab_protocol.messages import MAX_FROM_GUEST_BYTES, MAX_TO_GUEST_BYTES

_MAX_QUEUE_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024
# A safety net only: the driver wakes its waiters on data and on connect (drivers/char/
# virtio_console.c, Linux 6.12), so nothing should ever depend on this.
_IDLE_S = 5.0
GRACE_S = 2.0


def encode(message: Mapping[str, object]) -> bytes:
    """Return the message as one line.

    Raises:
        ValueError: it is longer than the protocol allows.
    """
    line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_FROM_GUEST_BYTES:
        raise ValueError(
            f"a message of {len(line)} bytes; at most {MAX_FROM_GUEST_BYTES} are allowed"
        )
    return line


class Link:
    """One open port.

    Args:
        fd: the open port; becomes non-blocking and belongs to the link.
        on_line: called for each line, in the thread of `serve`.
        on_first_host: called once, when a host is seen for the first time.
        clock: seconds that nobody sets.
    """

    def __init__(
        self,
        fd: int,
        on_line: Callable[[bytes], None],
        on_first_host: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fd = fd
        os.set_blocking(fd, False)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._on_line = on_line
        self._on_first_host = on_first_host
        self._splitter = LineSplitter(MAX_TO_GUEST_BYTES)
        self._lock = threading.Lock()
        self._clock = clock
        self._queue: deque[tuple[bytes, float]] = deque()  # a line, and when it was said
        self._queued_bytes = 0
        self._is_half_sent = False  # the first line of the queue
        self._has_host = False
        self._last_data_s = clock()
        self._greeted = False
        self._resting = False
        self._closing = False

    def send(self, message: Mapping[str, object]) -> None:
        """Queue a message; never blocks, from any thread. Dropped if nobody listens soon."""
        line = encode(message)
        with self._lock:
            # A host that reads nothing loses the newest words; the oldest may be half sent.
            if not self._has_host:
                self._drop_old()
            if self._queued_bytes + len(line) > _MAX_QUEUE_BYTES:
                return
            self._queue.append((line, self._clock()))
            self._queued_bytes += len(line)
        self._wake()

    def rest(self) -> None:
        """Sleep without a safety net until the next byte: a machine to be cloned does nothing."""
        self._resting = True
        self._wake()

    def close(self) -> None:
        """Make `serve` return; from any thread."""
        self._closing = True
        self._wake()

    def serve(self) -> None:
        """Read and write until `close`, or until the port is unplugged.

        Raises:
            OSError: the port failed for good.
        """
        poller = select.epoll()
        try:
            poller.register(self._wake_fd, select.EPOLLIN)
            poller.register(self._fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
            while not self._closing:
                limit_s = None if self._resting else _IDLE_S
                for fd, events in poller.poll(limit_s) or [(self._fd, select.EPOLLIN)]:
                    if fd == self._wake_fd:
                        os.eventfd_read(self._wake_fd)
                    else:
                        self.on_events(events)
                self.flush()
        finally:
            poller.close()
            with self._lock:
                os.close(self._wake_fd)
                self._wake_fd = -1
            os.close(self._fd)

    def on_events(self, events: int) -> None:
        """Take in what the poller saw of the port."""
        if events & select.EPOLLHUP:
            self._set_gone()
        elif events & select.EPOLLOUT:
            self._set_here()
        # Without data, reading tells a host that left from a port that was unplugged.
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read_all()

    def _read_all(self) -> None:
        """Read until the port is empty, as edge-triggering demands."""
        while True:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in {errno.EIO, errno.EPIPE}:  # a pty whose other end closed
                    self._set_gone()
                    return
                raise
            if not data:
                self._set_gone()
                return
            now_s = self._clock()
            if not self._has_host and now_s - self._last_data_s > GRACE_S:
                self._splitter.reset()  # the rest of a line from a host that is gone
            self._last_data_s = now_s
            self._resting = False
            for line in self._splitter.feed(data):
                self._on_line(line)

    def flush(self) -> None:
        """Write as much of the queue as the port takes."""
        with self._lock:
            while self._queue:
                line, born_s = self._queue[0]
                try:
                    sent = os.write(self._fd, line)
                except BlockingIOError:
                    return
                except OSError as error:
                    if error.errno in {errno.EIO, errno.EPIPE}:
                        return
                    raise
                self._queued_bytes -= sent
                self._is_half_sent = sent < len(line)
                if self._is_half_sent:
                    self._queue[0] = (line[sent:], born_s)
                else:
                    self._queue.popleft()

    def _set_here(self) -> None:
        with self._lock:
            if not self._has_host:
                self._drop_old()
            self._has_host = True
        if not self._greeted:
            self._greeted = True
            self._on_first_host()

    def _set_gone(self) -> None:
        with self._lock:
            self._has_host = False
            if self._is_half_sent:  # a new host could make nothing of the rest
                self._is_half_sent = False
                self._queued_bytes -= len(self._queue.popleft()[0])

    def _drop_old(self) -> None:
        """Forget what nobody heard in time."""
        while self._queue and self._clock() - self._queue[0][1] > GRACE_S:
            self._queued_bytes -= len(self._queue.popleft()[0])

    def _wake(self) -> None:
        with self._lock:  # the descriptor's number may belong to somebody else after `serve`
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)
