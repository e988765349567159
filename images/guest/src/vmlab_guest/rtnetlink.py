"""Addresses and routes by the kernel's own messages: no program has to be started.

Only what a machine needs: IPv4, a card by its index, which no renaming changes.
ref: rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import TracebackType
from typing import Self

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst, src, tos, table, protocol, scope, type
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type

_ERROR, _DONE = 2, 3
_NEWLINK, _NEWADDR, _DELADDR, _GETADDR, _NEWROUTE = 16, 20, 21, 22, 24
_REQUEST, _ACK, _REPLACE, _DUMP, _CREATE = 0x1, 0x4, 0x100, 0x300, 0x400
_IFA_ADDRESS, _IFA_LOCAL, _RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 2, 1, 4, 5
_IFF_UP = 1
_TABLE_MAIN, _PROTOCOL_STATIC, _TYPE_UNICAST = 254, 4, 1
_SCOPE_ALL, _SCOPE_LINK = 0, 253
_RECEIVE_BYTES = 256 * 1024


class Rtnetlink:
    """A conversation with the kernel; use it with `with`. All methods raise OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def set_up(self, index: int) -> None:
        """Switch a card on."""
        self._ask(_NEWLINK, _ACK, _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP))

    def list_addresses(self, index: int) -> list[IPv4Interface]:
        """Return the IPv4 addresses of a card."""
        body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
        found = []
        for message in self._ask(_GETADDR, _DUMP, body):
            owner, address = parse_address(message)
            if owner == index:
                found.append(address)
        return found

    def add_address(self, index: int, address: IPv4Interface) -> None:
        """Give a card an address; one that it has already stays."""
        self._ask(_NEWADDR, _ACK | _CREATE | _REPLACE, make_address(index, address))

    def delete_address(self, index: int, address: IPv4Interface) -> None:
        """Take an address, and the routes through it, from a card."""
        self._ask(_DELADDR, _ACK, make_address(index, address))

    def set_route(self, index: int, to: IPv4Network, gateway: IPv4Address | None = None) -> None:
        """Send what goes there through this gateway; None: its receivers are at the card itself."""
        self._ask(_NEWROUTE, _ACK | _CREATE | _REPLACE, make_route(index, to, gateway))

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send one request; return the bodies of the answers after their end or confirmation."""
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, flags | _REQUEST, self._sequence, 0) + body)
        found: list[bytes] = []
        while True:
            for answer, data in split_messages(self._socket.recv(_RECEIVE_BYTES)):
                if answer == _DONE:
                    return found
                if answer == _ERROR:
                    (code,) = struct.unpack_from("=i", data)
                    if code:
                        raise OSError(-code, f"network: {os.strerror(-code)}")
                    return found
                found.append(data)


def make_address(index: int, address: IPv4Interface) -> bytes:
    """Return the body of a message about this address of a card."""
    body = _ADDRESS.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index)
    for kind in (_IFA_LOCAL, _IFA_ADDRESS):
        body += _make_attribute(kind, address.ip.packed)
    return body


def make_route(index: int, to: IPv4Network, gateway: IPv4Address | None) -> bytes:
    """Return the body of a message about a route through a card."""
    scope = _SCOPE_ALL if gateway else _SCOPE_LINK
    body = _ROUTE.pack(
        socket.AF_INET, to.prefixlen, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _TYPE_UNICAST, 0
    )
    if to.prefixlen:
        body += _make_attribute(_RTA_DST, to.network_address.packed)
    if gateway:
        body += _make_attribute(_RTA_GATEWAY, gateway.packed)
    return body + _make_attribute(_RTA_OIF, struct.pack("=i", index))


def parse_address(body: bytes) -> tuple[int, IPv4Interface]:
    """Return the card's index and the address in such a body."""
    _, prefix, _, _, index = _ADDRESS.unpack_from(body)
    attributes = dict(_split_attributes(body[_ADDRESS.size :]))
    own = attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS]
    return index, IPv4Interface((own, prefix))


def split_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message in what was received at once.

    Raises:
        OSError: a message is said to be shorter than its own header.
    """
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            raise OSError(f"network: a message of {length} bytes")
        yield kind, data[_HEADER.size : length]
        data = data[_align(length) :]


def _split_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            raise OSError(f"network: an attribute of {length} bytes")
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_align(length) :]


def _make_attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_align(length) - length)


def _align(length: int) -> int:
    return (length + 3) & ~3
