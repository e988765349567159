"""Ethernet frames, honest and not, byte by byte. Pure; standard library only.

Each returns a whole frame. ref: RFC 791, 768, 826, 9293; IEEE 802.1Q, 802.3
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6, VLAN, SERVICE_VLAN = 0x0806, 0x0800, 0x86DD, 0x8100, 0x88A8
ICMP, IGMP, TCP, UDP = 1, 2, 6, 17
FIN, SYN, ACK = 1, 2, 16
MORE = 0x2000
_LEAST = 60


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ether(target: str, source: str, kind: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """With each tag's ethertype and number in front of the payload's own type."""
    words = b"".join(struct.pack("!HH", tag, number) for tag, number in tags)
    frame = mac(target) + mac(source) + words + struct.pack("!H", kind) + payload
    return frame.ljust(_LEAST, b"\0")


def llc(target: str, source: str, payload: bytes) -> bytes:
    """IEEE 802.3: a length where others have a type."""
    return (mac(target) + mac(source) + struct.pack("!H", len(payload)) + payload).ljust(
        _LEAST, b"\0"
    )


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str]) -> bytes:
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation)
    ends = (mac(card) + IPv4Address(address).packed for card, address in (sender, target))
    return head + b"".join(ends)


def checksum(data: bytes) -> int:
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(
    source: str,
    target: str,
    protocol: int,
    payload: bytes,
    *,
    fragment: int = 0,
    first_byte: int = 0x45,
    ttl: int = 64,
) -> bytes:
    """With `fragment` as the field of flags and offset."""
    ends = IPv4Address(source).packed + IPv4Address(target).packed
    length = 20 + len(payload)
    head = struct.pack("!BBHHHBBH", first_byte, 0, length, 7, fragment, ttl, protocol, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    length = 8 + len(payload)
    pseudo = (
        IPv4Address(source).packed
        + IPv4Address(target).packed
        + struct.pack("!BBH", 0, UDP, length)
    )
    head = struct.pack("!HHH", *ports, length)
    total = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", total) + payload


def tcp(
    source: str,
    target: str,
    ports: tuple[int, int],
    flags: int,
    payload: bytes = b"",
    *,
    number: int = 0,
) -> bytes:
    pseudo = (
        IPv4Address(source).packed
        + IPv4Address(target).packed
        + struct.pack("!BBH", 0, TCP, 20 + len(payload))
    )
    head = struct.pack("!HHIIBBH", *ports, 1, number, 5 << 4, flags, 1024)
    total = checksum(pseudo + head + b"\0\0\0\0" + payload)
    return head + struct.pack("!HH", total, 0) + payload


def icmp(kind: int, code: int = 0, rest: bytes = bytes(4), payload: bytes = b"") -> bytes:
    total = checksum(bytes((kind, code, 0, 0)) + rest + payload)
    return struct.pack("!BBH", kind, code, total) + rest + payload


def question(name: str, kind: int = 1, number: int = 7) -> bytes:
    """A question of the DNS."""
    labels = b"".join(bytes((len(each),)) + each.encode() for each in name.split(".") if each)
    return (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 0)
        + labels
        + b"\0"
        + struct.pack("!HH", kind, 1)
    )
