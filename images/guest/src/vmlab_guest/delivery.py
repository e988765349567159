"""Connects the seed's sequence with the delivery of courses."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from vmlab_guest.system import System

if TYPE_CHECKING:
    from vmlab_guest.courses.follow import Follower

FIRST_ROUND_S = 6.0


class HubCourses:
    """Follows the hub of the latest seed.

    Args:
        first_round_s: how long a start may wait for exercises; the rest comes while it runs.
    """

    def __init__(self, system: System, first_round_s: float = FIRST_ROUND_S) -> None:
        self._system = system
        self._first_round_s = first_round_s
        self._gate = threading.Lock()
        self._follower: Follower | None = None

    def follow(self, env: dict[str, str]) -> None:
        """See `apply.Courses`."""
        follower = self._start(env)
        if follower is not None and not follower.wait_first_round(self._first_round_s):
            self._system.log("courses: still being fetched, the server is started meanwhile")

    def resume(self, env: dict[str, str]) -> None:
        """Follow as before the agent was restarted; waits for nothing."""
        self._start(env)

    def _start(self, env: dict[str, str]) -> Follower | None:
        # Imported now: HTTP and archives cost as much as everything else of the agent together,
        # and the host waits for its first word.
        from vmlab_guest.courses.follow import Follower, deliver_as_trainee  # noqa: PLC0415
        from vmlab_guest.hub import Hub  # noqa: PLC0415

        if self._follower is not None:
            self._follower.stop()
            self._follower = None
        hub = Hub.from_env(env)
        if hub is None:
            self._system.log("courses: the seed names no hub")
            return None
        self._follower = Follower(self._system, hub, deliver_as_trainee, self._gate)
        self._follower.start()
        return self._follower
