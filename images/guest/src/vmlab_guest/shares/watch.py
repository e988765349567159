"""Looks after one share: mounts it, turns the link while the server is away, tells the trainee.

Whatever may wait for the server is a program of its own with a limit (mount, stat, umount); the
agent itself makes NULL calls only, in this thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from vmlab_guest.errors import AgentError
from vmlab_guest.notices import change_notice
from vmlab_guest.shares import places
from vmlab_guest.shares.presence import (
    Fullness,
    Presence,
    choose_fullness,
    choose_presence,
    parse_usage,
)
from vmlab_guest.shares.words import AWAY, BACK, make_quota_notice
from vmlab_guest.system import System
from vmlab_guest.threads import attempt
from vmlab_protocol.notices import Notice
from vmlab_protocol.share import NFS_PORT, Share

Ask = Callable[[str, int, float], bool]

_PERIOD_S = 4.0
_CALL_S = 3.0
_STAT_S = 10.0
_USAGE_PERIOD_S = 60.0
_MOUNT_FIRST_S, _MOUNT_MAX_S = 2.0, 60.0
_BEFORE_S = 60.0  # that an earlier watch may take to end


class ShareWatch:
    """Looks every few seconds, in a thread of its own.

    Args:
        ask: whether the server at this address and port answers within so many seconds.
        before: the watch that this one follows; it is waited for.
    """

    def __init__(
        self, system: System, share: Share, ask: Ask, before: ShareWatch | None = None
    ) -> None:
        self._system = system
        self._share = share
        self._ask = ask
        self._before = before
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._presence = Presence.UNKNOWN
        self._fullness = Fullness.ROOMY
        self._told: Notice | None = None
        self._told_usage: Notice | None = None
        self._ready_s = self._now_s()
        self._mount_due_s = self._usage_due_s = 0.0
        self._mount_pause_s = _MOUNT_FIRST_S

    def start(self) -> Self:
        """Begin; returns at once."""
        threading.Thread(target=self._run, name="share", daemon=True).start()
        return self

    def stop(self) -> None:
        """Look no more; what is mounted stays."""
        self._stopped.set()

    def wait_for_end(self) -> None:
        """Return when it looks no more, or after a while."""
        self._ended.wait(_BEFORE_S)

    def begin(self) -> None:
        """Show the folders in the home: as they are, or the note until they are mounted."""
        is_here = places.is_mounted(self._system, self._share)
        places.turn(self._system, is_here=is_here)
        places.show_in_home(self._system)

    def look(self) -> None:
        """Look once.

        Raises:
            AgentError, OSError, ValueError: something failed, and will be tried again.
        """
        answers = self._ask(str(self._share.server), NFS_PORT, _CALL_S)
        is_ready = answers and self._ensure_mounted()
        now_s = self._now_s()
        if is_ready:
            self._ready_s = now_s
        silent_s = now_s - self._ready_s
        presence = choose_presence(self._presence, is_ready=is_ready, silent_s=silent_s)
        if presence is not self._presence:
            self._tell(presence)
        if is_ready and now_s >= self._usage_due_s:
            self._usage_due_s = now_s + _USAGE_PERIOD_S
            self._look_at_usage()

    def _run(self) -> None:
        if self._before:
            self._before.wait_for_end()
            self._before = None
        attempt(self._system.log, "the links to the file server", self.begin)
        while not self._stopped.is_set():
            attempt(self._system.log, "the file server", self.look)
            self._stopped.wait(_PERIOD_S)
        self._ended.set()

    def _ensure_mounted(self) -> bool:
        if places.is_mounted(self._system, self._share):
            return True
        if self._stopped.is_set() or self._now_s() < self._mount_due_s:
            return False
        try:
            places.identify(self._system)
            places.mount_all(self._system, self._share)
        except (AgentError, OSError) as error:
            # The hub may not have told the server of this machine yet.
            self._system.log(f"the file server: {error}")
            self._mount_due_s = self._now_s() + self._mount_pause_s
            self._mount_pause_s = min(self._mount_pause_s * 2, _MOUNT_MAX_S)
            return False
        self._mount_pause_s = _MOUNT_FIRST_S
        return True

    def _tell(self, presence: Presence) -> None:
        places.turn(self._system, is_here=presence is Presence.HERE)
        notice: Notice | None = AWAY
        if presence is Presence.HERE:
            notice = BACK if self._presence is Presence.AWAY else None
        change_notice(self._system, self._told, notice)
        self._system.announce(f"the file server is {presence.value}")
        self._presence, self._told = presence, notice

    def _look_at_usage(self) -> None:
        text = self._system.run("stat", "-f", "-c", "%S %b %f", places.MINE, timeout_s=_STAT_S)
        usage = parse_usage(text)
        fullness = choose_fullness(usage, self._fullness)
        if fullness is self._fullness:
            return
        notice = None
        if fullness is not Fullness.ROOMY:
            is_full = fullness is Fullness.FULL
            notice = make_quota_notice(usage.used_bytes, usage.total_bytes, is_full=is_full)
        change_notice(self._system, self._told_usage, notice)
        self._fullness, self._told_usage = fullness, notice

    def _now_s(self) -> float:
        return self._system.monotonic_ns() / 1e9
