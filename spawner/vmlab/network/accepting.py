"""Servers pause when no file descriptor is left for a new connection.

Tornado would try again at once, endlessly, and write a traceback each time.
ref: tornado 6.5, netutil.add_accept_handler; asyncio's servers pause for a second by themselves
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

from tornado import netutil, tcpserver
from tornado.ioloop import IOLoop

_REST_S: Final = 1.0
_OUT: Final = frozenset({errno.EMFILE, errno.ENFILE})

_log = logging.getLogger(__name__)


def accept_patiently() -> None:
    """Make all tornado servers that this process starts from now on do so."""
    tcpserver.add_accept_handler = _add_patient_handler  # type: ignore[attr-defined]


def _add_patient_handler(
    sock: socket.socket, callback: Callable[[socket.socket, Any], None]
) -> Callable[[], None]:
    return netutil.add_accept_handler(_PatientListener(sock), callback)  # type: ignore[arg-type]


class _PatientListener:
    """A listening socket as tornado's handler sees it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = IOLoop.current()

    def fileno(self) -> int:
        """Return the socket's own number."""
        return self._listener.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; without a file descriptor for it, log that and pause."""
        try:
            return self._listener.accept()
        except OSError as error:
            if error.errno not in _OUT:
                raise
            _log.error(
                "no file descriptor is left for new connections; trying again in %.0f s. "
                "`vmlab doctor` says how many this lab needs",
                _REST_S,
            )
            self._loop.update_handler(self, 0)
            self._loop.call_later(_REST_S, self._resume)
            raise BlockingIOError from error

    def close(self) -> None:
        """Close the socket."""
        self._listener.close()

    def _resume(self) -> None:
        # It may have been closed meanwhile, and its number may be another socket's by now.
        handlers = getattr(self._loop, "handlers", {})
        if self.fileno() in handlers and handlers[self.fileno()][0] is self:
            self._loop.update_handler(self, IOLoop.READ)
