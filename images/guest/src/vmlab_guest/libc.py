"""System calls that Python's own modules do not have, through the C library."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

# ref: linux/mount.h, linux/prctl.h
MS_BIND = 0x1000
MNT_DETACH = 0x2
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_FLAGS = {
    "ro": 0x1,
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "sync": 0x10,
    "dirsync": 0x80,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "relatime": 0x200000,
    "strictatime": 0x1000000,
    "lazytime": 0x2000000,
}
_NOTHING = {"", "defaults", "rw", "suid", "dev", "exec", "async"}

_libc = ctypes.CDLL(None, use_errno=True)


def parse_options(options: str) -> tuple[int, str]:
    """Return the flags and the file system's own options in what follows `mount -o`."""
    flags, rest = 0, []
    for word in options.split(","):
        if word in _FLAGS:
            flags |= _FLAGS[word]
        elif word not in _NOTHING:
            rest.append(word)
    return flags, ",".join(rest)


def mount(source: str, target: Path, fs_type: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a file system, or with MS_BIND a file, at `target`.

    Raises:
        OSError: the kernel refused.
    """
    words = (source.encode(), os.fsencode(target), fs_type.encode() or None)
    _check(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), target)


def unmount(target: Path, flags: int = 0) -> None:
    """Take off what is mounted on `target`.

    Raises:
        OSError: the kernel refused.
    """
    _check(_libc.umount2(os.fsencode(target), flags), target)


def sync_file_system(place: Path) -> None:
    """Bring everything of the file system at this place to its disk.

    Raises:
        OSError: the kernel refused.
    """
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syncfs(fd), place)
    finally:
        os.close(fd)


def set_process(name: str) -> None:
    """Give this process a name, and its own user the right to look into it.

    The kernel takes the latter away when a process changes its user.
    """
    _check(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0), None)
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), None)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, or now if it has ended already.

    Args:
        parent: its process id, read before the fork: afterwards it may be another one's.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), None)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _check(result: int, path: Path | None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), None if path is None else str(path))
