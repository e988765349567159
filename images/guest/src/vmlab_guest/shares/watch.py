"""Looks after one share: mounts it, turns the link while the server is away, tells the trainee.

Whatever may wait for the server is a program of its own with a limit (mount, stat, umount); the
agent itself makes NULL calls only, in this thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Self

from vmlab_guest.errors import AgentError
from vmlab_guest.notices import change_notice
from vmlab_guest.shares import places
from vmlab_guest.shares.null_call import Ask
from vmlab_guest.shares.presence import (
    Fullness,
    Presence,
    choose_fullness,
    choose_presence,
    parse_usage,
)
from vmlab_guest.shares.words import (
    WORDS,
    MakesNotice,
    make_home_notice,
    make_quota_notice,
    make_shared_notice,
)
from vmlab_guest.system import System
from vmlab_guest.threads import attempt
from vmlab_protocol.notices import Notice
from vmlab_protocol.share import NFS_PORT, Share

_PERIOD_S = 4.0
_CALL_S = 3.0
_STAT_S = 10.0
_USAGE_PERIOD_S = 20.0
_FULLER_PERIOD_S = 8.0  # while it is told that there is little room: it is to end as soon as it can
_SYNC_S = 30.0
_MOUNT_FIRST_S, _MOUNT_MAX_S = 2.0, 60.0
_BEFORE_S = 60.0  # that an earlier watch may take to end


@dataclass
class Room:
    """A folder with a limit, and what was told of it."""

    path: str
    tell: MakesNotice
    fullness: Fullness = Fullness.ROOMY
    told: Notice | None = None


def make_rooms(share: Share) -> tuple[Room, ...]:
    """Return the folders that somebody fills from this machine."""
    mine = Room(places.MINE, make_home_notice if share.is_home else make_quota_notice)
    everyone = Room(places.EVERYONE, make_shared_notice)
    return (mine, everyone) if share.is_trainer else (mine,)


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
        self._words = WORDS[share.is_home]
        self._rooms = make_rooms(share)
        self._told: Notice | None = None
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
        if not self._share.is_home:  # such a home has its link since it was mounted
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
            for room in self._rooms:
                self._look_at(room)
            is_tight = any(room.fullness is not Fullness.ROOMY for room in self._rooms)
            self._usage_due_s = now_s + (_FULLER_PERIOD_S if is_tight else _USAGE_PERIOD_S)

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
        notice: Notice | None = self._words.away
        if presence is Presence.HERE:
            notice = self._words.back if self._presence is Presence.AWAY else None
        change_notice(self._system, self._told, notice)
        self._system.announce(f"the file server is {presence.value}")
        self._presence, self._told = presence, notice

    def _look_at(self, room: Room) -> None:
        if room.fullness is not Fullness.ROOMY:
            # A file that was deleted while this machine had not got all of it to the server stays
            # there, as .nfs..., until it has: see decision 32. Left alone, that takes a minute.
            places.attempt_program(self._system, "sync", "-f", room.path, limit_s=_SYNC_S)
        text = self._system.run("stat", "-f", "-c", "%S %b %f", room.path, timeout_s=_STAT_S)
        usage = parse_usage(text)
        fullness = choose_fullness(usage, room.fullness)
        if fullness is room.fullness:
            return
        notice = None
        if fullness is not Fullness.ROOMY:
            is_full = fullness is Fullness.FULL
            notice = room.tell(usage.used_bytes, usage.total_bytes, is_full=is_full)
        change_notice(self._system, room.told, notice)
        room.fullness, room.told = fullness, notice

    def _now_s(self) -> float:
        return self._system.monotonic_ns() / 1e9
