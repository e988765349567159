"""A machine's port at the bridge: a tap, or where none can be had a cable. In the namespace.

    tap     port m101 ═ descriptor ══════════════════════════════ QEMU
    cable   port m101 ═ o101 ─ packets ─ Cable ─ socket pair ════ QEMU

Either way the port is there as long as its QEMU holds the descriptor. A tap is the kernel's alone:
nobody of ours touches a frame. A cable needs no /dev/net/tun, but its keeper carries each frame,
and when the keeper dies, it is cut. Standard library only.

ref: Linux, networking/tuntap.rst; packet(7)
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable

from vmlab.providers.qemu.network.port import PortKind

_TUN = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_REQUEST = struct.Struct("16sH22x")  # struct ifreq: a name and flags. ref: netdevice(7)

_SIOCETHTOOL = 0x8946
_SET_TX, _SET_SG, _SET_TSO, _SET_GSO = 0x17, 0x19, 0x1F, 0x24

_ALL_PROTOCOLS = 3  # ETH_P_ALL
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER_BYTES = 1 << 20
_FRAME_BYTES = 65536
_FRAMES_A_TURN = 64
"""So that the keeper answers while a cable is busy."""

_LOST = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENETDOWN, errno.EMSGSIZE, errno.ENXIO})
"""What costs a frame, as on any network, and no more."""


def find_kind() -> PortKind:
    """Return which ports can be had here, by opening what makes a tap."""
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError:
        return PortKind.DGRAM
    return PortKind.TAP


def open_tap(interface: str) -> int:
    """Make this interface in our namespace; return the descriptor that keeps it.

    Raises:
        OSError: the kernel makes none.
    """
    descriptor = os.open(_TUN, os.O_RDWR)
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(interface.encode(), flags))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def finish_checksums(interface: str) -> None:
    """Have the kernel finish each frame that it sends there: a cable's far end cannot."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_SET_TSO, _SET_GSO, _SET_SG, _SET_TX):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):  # an interface without this offload
                fcntl.ioctl(control, _SIOCETHTOOL, request)


class Cable:
    """Carries frames between the far end of a port's cable and QEMU's half of a socket pair.

    Args:
        outer: the far end, an interface that is up.
        ended: called when QEMU has let go of its half; the cable is closed then.

    Raises:
        OSError: as the system calls say.
    """

    def __init__(self, outer: str, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._packets = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ALL_PROTOCOLS)
        )
        # Of a socket that keeps messages apart and tells of its end; QEMU's `dgram` takes both.
        self._ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._packets.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self._packets.bind((outer, 0))
            for end in (self._packets, self._ours, its):
                end.setblocking(False)
                _widen(end)
        except OSError:
            its.close()
            self._packets.close()
            self._ours.close()
            raise
        self.descriptor = its.detach()
        """QEMU's half; whoever takes it over closes it."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._packets, self._carry, self._packets, self._ours)
        loop.add_reader(self._ours, self._carry, self._ours, self._packets)

    def close(self) -> None:
        """Carry nothing more; no-op the second time."""
        for end in (self._packets, self._ours):
            if end.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(end)
                end.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        for _ in range(_FRAMES_A_TURN):
            try:
                frame = source.recv(_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _LOST:
                    self._end()
                    return
                continue
            if not frame:
                self._end()
                return
            try:
                target.send(frame)
            except OSError as error:
                if error.errno not in _LOST:
                    self._end()
                    return

    def _end(self) -> None:
        self.close()
        self._ended()


def _widen(end: socket.socket) -> None:
    for force, plain in ((_SO_SNDBUFFORCE, socket.SO_SNDBUF), (_SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            end.setsockopt(socket.SOL_SOCKET, force, _BUFFER_BYTES)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, plain, _BUFFER_BYTES)
