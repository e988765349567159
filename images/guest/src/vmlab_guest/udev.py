"""Delayed device events: nobody needs those of a clone's card and volume at once.

Plugging them in keeps udev, systemd, the message bus and the journal busy for 0.7 s of an emulated
processor, just while somebody waits for the server; the agent itself finds card and volume
in /sys. So a machine is parked with udev halted: the kernel keeps the events, in order, and udev
handles them as soon as the server serves.
"""

from __future__ import annotations

import signal
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System

_UNIT = "systemd-udevd.service"
_SETTLE_S = 300.0  # software emulation


def hold_events(system: System) -> None:
    """Handle the events there are, and let those to come wait.

    Raises:
        ApplyError: there is no udev to be halted.
    """
    system.run("udevadm", "settle", f"--timeout={_SETTLE_S:g}", timeout_s=_SETTLE_S + 30)
    pid = system.run("systemctl", "show", "--value", "-p", "MainPID", _UNIT).strip()
    if not pid.isdecimal() or int(pid) == 0:
        raise ApplyError(f"{_UNIT} does not run: its pid is {pid!r}")
    ensure_file(_mark(system), pid)  # first: whatever comes next, they are released
    system.signal(int(pid), signal.SIGSTOP)


def release_events(system: System) -> None:
    """Have the events handled that wait; no-op if none do."""
    mark = _mark(system)
    try:
        pid = int(mark.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return
    mark.unlink()
    system.signal(pid, signal.SIGCONT)


def _mark(system: System) -> Path:
    return system.root / RUN / "udev-held"
