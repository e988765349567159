"""Connects the seed's sequence with the delivery of courses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmlab_guest.apply import wait_for_server
from vmlab_guest.system import System

if TYPE_CHECKING:
    from vmlab_guest.courses.follow import Follower


class HubCourses:
    """Follows the hub of the latest seed."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._gate = threading.Lock()
        self._follower: Follower | None = None

    def follow(self, env: dict[str, str]) -> None:
        """See `apply.Courses`."""
        self._start(env, lambda: wait_for_server(self._system))

    def resume(self, env: dict[str, str]) -> None:
        """Follow as before the agent was restarted."""
        self._start(env, lambda: None)

    def _start(self, env: dict[str, str], wait: Callable[[], None]) -> None:
        # Imported now: HTTP and archives cost as much as everything else of the agent together,
        # and the host waits for its first word.
        from vmlab_guest.courses.as_trainee import deliver_as_trainee  # noqa: PLC0415
        from vmlab_guest.courses.follow import Follower  # noqa: PLC0415
        from vmlab_guest.hub import Hub  # noqa: PLC0415

        if self._follower is not None:
            self._follower.stop()
            self._follower = None
        hub = Hub.from_env(env)
        if hub is None:
            self._system.log("courses: the seed names no hub")
            return
        self._follower = Follower(self._system, hub, deliver_as_trainee, self._gate)
        self._follower.start(wait)
