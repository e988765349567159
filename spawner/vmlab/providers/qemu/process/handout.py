"""Gives QEMU a template's memory read-only.

A clone only needs to read it: what it writes becomes its own copy (MAP_PRIVATE). But QEMU opens
the file for writing (physmem.c, `file_ram_open`; since 8.2 `rom=off` could avoid that),
and somebody who broke out of one clone could then change the memory that all others still read.
So the template belongs to root, and here the kernel stops QEMU at that one call and hands it a
descriptor of ours instead. ref: seccomp_unotify(2). Standard library only, as the shim.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path

_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_USER_NOTIF, _ALLOW = 0x7FC00000, 0x7FFF0000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FLAGS = 0, 4, 32  # in struct seccomp_data
_RECEIVE, _SEND, _ADD_FD = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _AND_RETURN_IT = 1, 2
_NOTICE = struct.Struct("QII iIQ 6Q")  # struct seccomp_notif
_PATH_BYTES = 4096


@dataclass(frozen=True)
class _Calls:
    """Numbers of a processor architecture."""

    architecture: int
    seccomp: int
    openat: int


_CALLS = {
    "x86_64": _Calls(0xC000003E, 317, 257),
    "aarch64": _Calls(0xC00000B7, 277, 56),
}


def stop_at_writable_opens() -> int:
    """Have the kernel ask whoever holds the descriptor that is returned.

    It asks at each openat(2) with exactly O_RDWR by this process and those that it starts from
    now on. Python itself never opens a file so: it adds O_CLOEXEC.

    Raises:
        OSError: the kernel cannot do this.
    """
    calls = _CALLS.get(platform.machine())
    if calls is None:
        raise OSError(
            errno.ENOSYS,
            f"the template's memory cannot be handed out on {platform.machine()}",
        )
    steps = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, 5, calls.architecture),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_IF_EQUAL, 0, 3, calls.openat),
        (_LOAD, 0, 0, _AT_FLAGS),
        (_JUMP_IF_EQUAL, 0, 1, os.O_RDWR),
        (_RETURN, 0, 0, _USER_NOTIF),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.syscall(calls.seccomp, _SET_MODE_FILTER, _NEW_LISTENER, program)
    if listener < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"QEMU's system calls cannot be intercepted: {os.strerror(number)}")
    return int(listener)


async def hand_out(path: str, descriptor: int, listener: int) -> None:
    """Answer QEMU's opening of this file with our descriptor of it; return when it has it.

    Raises:
        OSError: QEMU ended meanwhile.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    loop.add_reader(listener, asked.set)
    try:
        while True:
            await asked.wait()
            asked.clear()
            # A signal takes QEMU out of its call, at any time before the answer: it asks again.
            with contextlib.suppress(FileNotFoundError):
                if _answer(listener, os.fsencode(path), descriptor):
                    return
    finally:
        loop.remove_reader(listener)


def _answer(listener: int, wanted: bytes, descriptor: int) -> bool:
    """Answer one call; tell whether it was for the wanted file. Others go ahead as usual.

    Raises:
        FileNotFoundError: nobody waits in that call any more.
    """
    notice = bytearray(_NOTICE.size)
    fcntl.ioctl(listener, _RECEIVE, notice)
    number, pid, *_, path_at = _NOTICE.unpack(notice)[:8]
    if _read_text(pid, path_at) != wanted:
        fcntl.ioctl(listener, _SEND, bytearray(struct.pack("QqiI", number, 0, 0, _CONTINUE)))
        return False
    words = struct.pack("QIIII", number, _AND_RETURN_IT, descriptor, 0, 0)
    fcntl.ioctl(listener, _ADD_FD, words)
    return True


def _read_text(pid: int, address: int) -> bytes:
    """Return the text at an address of a process that waits in its call; empty if none is there."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(_PATH_BYTES).partition(b"\0")[0]
    except (OSError, OverflowError):  # the process chose the address, which may be invalid
        return b""
