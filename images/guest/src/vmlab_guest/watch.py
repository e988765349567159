"""What the agent checks regularly while the machine has a trainee: its clock, its disk space."""

from __future__ import annotations

import threading

from vmlab_guest.clock import Clock
from vmlab_guest.filling import Filling
from vmlab_guest.serving.fullness import ServerFullness
from vmlab_guest.system import System
from vmlab_guest.threads import attempt

_PERIOD_S = 10.0
"""The link wakes more often; JupyterLab asks for notices once a minute."""


class Watch:
    """Looks every few seconds, from a seed to the next one.

    Args:
        clock: of this seed.
    """

    def __init__(self, system: System, clock: Clock, period_s: float = _PERIOD_S) -> None:
        self._system = system
        self._clock = clock
        self._filling = Filling(system)
        self._served = ServerFullness(system)
        self._period_s = period_s
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin, in a thread of its own; returns at once."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self) -> None:
        """Look once. What fails is logged, does not affect anything else, and is tried again."""
        attempt(self._system.log, "the clock", self._clock.look)
        attempt(self._system.log, "the room in the home", self._filling.look)
        attempt(self._system.log, "the room on the server", self._served.look)

    def _run(self) -> None:
        while not self._stopped.wait(self._period_s):
            self.look()
