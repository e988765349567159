"""The line between agent and host: one JSON object a line over a virtio-serial port.

Responsible for I/O only; what messages mean is `agent`'s business. The host may come and go at any
time. While nobody listens, reads give end-of-file and writes would block, so:

- the port is watched edge-triggered: no event, no work, also in a machine that waits for days;
- what was written while nobody listened, or was half sent when the host went, is dropped: a new
  host must never take the word meant for another one as the answer to its own;
- a host's first bytes may overtake the word that it is there (data and control messages travel in
  different queues, and the driver handles the latter later): such bytes are taken for a new host's,
  and answers wait for `_CONFIRM_S` for the port to say so.
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

PORT_NAME = "org.vmlab.agent"
MAX_LINE_IN_BYTES = 256 * 1024
MAX_LINE_OUT_BYTES = 16 * 1024
_MAX_QUEUE_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024
# A safety net only: the driver wakes its waiters on data and on connect (drivers/char/
# virtio_console.c, Linux 6.12), so nothing should ever depend on this.
_IDLE_S = 5.0
_CONFIRM_S = 3.0


def encode(message: Mapping[str, object]) -> bytes:
    """Return the message as one line.

    Raises:
        ValueError: it is longer than the protocol allows.
    """
    line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE_OUT_BYTES:
        raise ValueError(
            f"a message of {len(line)} bytes; at most {MAX_LINE_OUT_BYTES} are allowed"
        )
    return line


class Link:
    """One open port.

    Args:
        fd: the open port; becomes non-blocking and belongs to the link.
        on_line: called for each line, in the thread of `serve`.
        on_first_host: called once, when a host is seen for the first time.
    """

    def __init__(
        self, fd: int, on_line: Callable[[bytes], None], on_first_host: Callable[[], None]
    ) -> None:
        self._fd = fd
        os.set_blocking(fd, False)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._on_line = on_line
        self._on_first_host = on_first_host
        self._splitter = LineSplitter(MAX_LINE_IN_BYTES)
        self._lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._connected = False
        self._confirm_by: float | None = None  # set while only data says that a host is there
        self._greeted = False
        self._closing = False

    @property
    def is_connected(self) -> bool:
        """Whether a host listens, as far as the port has told."""
        return self._connected

    def send(self, message: Mapping[str, object]) -> None:
        """Queue a message; never blocks, from any thread. Dropped if no host listens."""
        line = encode(message)
        with self._lock:
            # A host that reads nothing loses the newest words; the oldest may be half sent.
            if not self._connected or self._queued_bytes + len(line) > _MAX_QUEUE_BYTES:
                return
            self._queue.append(line)
            self._queued_bytes += len(line)
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
                idle_s = _IDLE_S if self._confirm_by is None else _CONFIRM_S
                for fd, events in poller.poll(idle_s) or [(self._fd, select.EPOLLIN)]:
                    if fd == self._wake_fd:
                        os.eventfd_read(self._wake_fd)
                    else:
                        self.on_events(events)
                if self._confirm_by is not None and time.monotonic() > self._confirm_by:
                    self._set_gone()  # those were the last words of the old host
                self.flush()
        finally:
            poller.close()
            with self._lock:
                os.close(self._wake_fd)
                self._wake_fd = -1
            os.close(self._fd)

    def on_events(self, events: int) -> None:
        """Take in what the poller saw of the port."""
        is_gone = bool(events & select.EPOLLHUP)
        if is_gone and self._connected and self._confirm_by is None:
            self._set_gone()
        if events & select.EPOLLOUT and not is_gone:
            self._set_confirmed()
        if events & select.EPOLLIN:
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
                if self._confirm_by is None:
                    self._set_gone()
                return
            if not self._connected:
                self._connected = True
                self._confirm_by = time.monotonic() + _CONFIRM_S
            for line in self._splitter.feed(data):
                self._on_line(line)

    def flush(self) -> None:
        """Write as much of the queue as the port takes."""
        with self._lock:
            while self._queue:
                line = self._queue[0]
                try:
                    sent = os.write(self._fd, line)
                except BlockingIOError:
                    return
                except OSError as error:
                    if error.errno in {errno.EIO, errno.EPIPE}:
                        self._forget_queue()
                        return
                    raise
                self._queued_bytes -= sent
                if sent == len(line):
                    self._queue.popleft()
                else:
                    self._queue[0] = line[sent:]

    def _set_confirmed(self) -> None:
        self._connected = True
        self._confirm_by = None
        if not self._greeted:
            self._greeted = True
            self._on_first_host()

    def _set_gone(self) -> None:
        with self._lock:
            self._connected = False
            self._confirm_by = None
            self._forget_queue()
        self._splitter.reset()

    def _forget_queue(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0

    def _wake(self) -> None:
        with self._lock:  # the descriptor's number may belong to somebody else after `serve`
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)
