"""Work that goes on while the notebook does something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread, current_thread

from narval.errors import NarvalError

_STOP_S = 5.0
_REST = 4.0
"""Times as long as a call took, there is at least none: on a slow machine, who looks must not keep
what is looked at from its work."""


class Live:
    """Calls a function again and again, in a thread of its own: cells that run do not hold it up.

    Args:
        update: what is called.
        failed: what is told the sentence of an error; the next call is made all the same.
        period_s: from the end of a call to the next; longer where calls take long.
    """

    def __init__(
        self, update: Callable[[], None], failed: Callable[[str], None], period_s: float = 1.0
    ) -> None:
        self._update = update
        self._failed = failed
        self._period_s = period_s
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether calls are being made."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin; nothing where it has begun."""
        if self.is_running:
            return
        self._stopping.clear()
        self._thread = Thread(target=self._work, name="narval-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for a call under way for at most five seconds."""
        self._stopping.set()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(_STOP_S)

    def once(self) -> None:
        """Make one call now, in the thread of the caller."""
        try:
            self._update()
        except (NarvalError, OSError) as error:
            self._failed(one_sentence(error))

    def _work(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self.once()
            self._stopping.wait(max(self._period_s, _REST * (time.monotonic() - began)))


def one_sentence(error: BaseException) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
