"""The volume's file system while the host works on its disk: frozen for a snapshot, grown.

The volume is a trainee's home, or what a file server serves.

Nothing else of the machine is ever halted. Writers to the home wait meanwhile, so it is thawed
after a limit even if the host has gone, and when the agent is started again.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.mounts import find_mounted
from vmlab_guest.system import System, inside
from vmlab_protocol.machine import HOME, MAX_FROZEN_S
from vmlab_protocol.share import ROOT

_SECTOR_BYTES = 512
_RESIZE_S = 300.0


class Home:
    """The mounted home; use it from any thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._is_frozen = False
        self._is_over = False  # the limit passed
        self._cancel: Callable[[], None] | None = None

    def freeze(self, limit_s: float) -> None:
        """Bring everything to the disk and halt writing, for `limit_s` seconds at most.

        Raises:
            ApplyError: there is no volume, or it took longer than the limit; nothing is halted.
            OSError: the kernel refused; nothing is halted.
        """
        if not 0 < limit_s <= MAX_FROZEN_S:
            raise ApplyError(f"limit_s {str(limit_s)[:40]}; allowed: up to {MAX_FROZEN_S:g}")
        place = self._place()
        with self._lock:
            if self._is_frozen:
                raise ApplyError("the home is frozen already")
            self._is_over = False
            self._cancel = self._system.after(limit_s, self._end_of_limit)
        try:
            self._system.freeze(inside(self._system, place))
        except OSError:
            self._stop_clock()
            raise
        with self._lock:
            if not self._is_over:
                self._is_frozen = True
                return
        self._system.thaw(inside(self._system, place))
        raise ApplyError(f"bringing the home to the disk took longer than {limit_s:g} s")

    def thaw(self) -> bool:
        """Resume writing; return False if that had already happened because the limit had passed.

        Raises:
            OSError: the kernel refused.
        """
        self._stop_clock()
        with self._lock:
            was_frozen, self._is_frozen = self._is_frozen, False
        if was_frozen:
            self._system.thaw(inside(self._system, self._place()))
        return was_frozen

    def recover(self) -> None:
        """Thaw what an earlier agent left frozen."""
        place, device = self._find_volume()
        if not device:
            return
        try:
            self._system.thaw(inside(self._system, place))
        except OSError as error:
            if error.errno != errno.EINVAL:  # it was not frozen
                self._system.log(f"{place} cannot be thawed: {error}")

    def grow(self) -> int:
        """Make the file system as large as its disk; return the disk's size in MiB.

        Raises:
            ApplyError: there is no volume, or resize2fs failed.
        """
        self._place()
        device = self._find_volume()[1]
        self._system.run("resize2fs", device, timeout_s=_RESIZE_S)
        size = inside(self._system, f"/sys/class/block/{Path(device).name}/size")
        return int(size.read_text(encoding="ascii")) * _SECTOR_BYTES // 2**20

    def _place(self) -> str:
        place, device = self._find_volume()
        if not device:
            raise ApplyError(f"no volume is mounted at {HOME}")
        return place

    def _find_volume(self) -> tuple[str, str]:
        """Return where the volume is mounted, and its device; HOME and nothing if there is none."""
        mountinfo = inside(self._system, "/proc/self/mountinfo").read_text(encoding="utf-8")
        for place in (HOME, ROOT):
            device = find_mounted(mountinfo, place)
            if device and device.startswith("/dev/"):  # a home on a file server is no volume here
                return place, device
        return HOME, ""

    def _stop_clock(self) -> None:
        with self._lock:
            cancel, self._cancel = self._cancel, None
        if cancel:
            cancel()

    def _end_of_limit(self) -> None:
        with self._lock:
            was_frozen, self._is_frozen, self._is_over = self._is_frozen, False, True
        if was_frozen:
            self._system.log("the home was frozen for too long")
            self.recover()
