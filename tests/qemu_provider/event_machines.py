"""Machines of events without machines: whoever holds a port sends and receives what it wants.

Standard library and VMLab's own: it also runs as somebody who has no virtual environment.
"""

from __future__ import annotations

import os
import select
import time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vmlab.model import Card, Meeting, NetworkSpec
from vmlab.providers.qemu.network.layout import BRIDGE_MAC
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.providers.qemu.network.port import Port, PortKind

from . import frames

ADDRESSES = IPv4Network("10.77.0.0/16")
GATEWAY = "10.77.0.1"
LIMIT_S = 30.0
_VNET_HEADER = bytes(10)  # struct virtio_net_hdr: nothing is left to be done to the frame
_FRAME_BYTES = 70_000


def event(name: str = "farm", meeting: Meeting = Meeting.ALL) -> NetworkSpec:
    return NetworkSpec(name, ADDRESSES, meeting)


def card(spec: NetworkSpec, address: str, trainee: str, *names: str, own: str = "") -> Card:
    """Its card's number is its address's."""
    number = IPv4Address(address).packed.hex(":")
    wide = IPv4Interface(f"{address}/{spec.addresses.prefixlen}")
    return Card(spec, f"02:00:{number}", wide, trainee, names, (own,) if own else ())


class Plugged:
    """A machine in its event's network, as far as its card goes."""

    def __init__(self, name: str, at: Card, port: Port) -> None:
        self.name = name
        self.card = at
        self.mac = at.mac
        self.address = str(at.address.ip)
        self.kind = port.kind
        self._port = port
        os.set_blocking(port.descriptor, False)

    @classmethod
    async def plug(cls, networks: EventNetworks, name: str, at: Card) -> Plugged:
        return cls(name, at, await networks.plug(name, at))

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire; raises OSError when there is none."""
        head = _VNET_HEADER if self.kind is PortKind.TAP else b""
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                os.write(self._port.descriptor, head + frame)
            except BlockingIOError:
                self._wait(deadline, writing=True)
            else:
                return

    def receive(self, limit_s: float = LIMIT_S) -> bytes:
        """Return the next frame; raises TimeoutError when none comes, EOFError when none can."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                data = os.read(self._port.descriptor, _FRAME_BYTES)
            except BlockingIOError:
                self._wait(deadline)
                continue
            if not data:
                raise EOFError(self.name)
            return data[len(_VNET_HEADER) :] if self.kind is PortKind.TAP else data

    def receive_until(self, mark: bytes, limit_s: float = LIMIT_S) -> list[bytes]:
        """Return the frames before the one that contains this mark."""
        received = []
        while mark not in (frame := self.receive(limit_s)):
            received.append(frame)
        return received

    def drain(self) -> int:
        """Take all frames that are there; return how many."""
        taken = 0
        try:
            while True:
                self.receive(limit_s=0)
                taken += 1
        except TimeoutError:
            return taken

    def datagram(self, to: Plugged | None, payload: bytes, port: int = 5000) -> bytes:
        """Return an honest one, to a machine or to all that may have it."""
        target = to.address if to else str(ADDRESSES.broadcast_address)
        carried = frames.udp(self.address, target, (port, port), payload)
        packet = frames.ipv4(self.address, target, frames.UDP, carried)
        return frames.ether(to.mac if to else frames.EVERYBODY, self.mac, frames.IPV4, packet)

    def ask(self, name: str, kind: int = 1) -> tuple[int, list[str]]:
        """Ask the network for a name; return the answer's code, and addresses or names."""
        return _read(self._ask(name, kind)[-1])

    def provoke(self, frame: bytes) -> list[bytes]:
        """Send what the network may answer; return its answers.

        Its names come from a process, which may be slow. So it is asked for a name afterwards: what
        it says to the frame comes before that answer.
        """
        self.send(frame)
        return self._ask("server")[:-1]

    def _ask(self, name: str, kind: int = 1) -> list[bytes]:
        """Ask for a name; return the frames that came, the last one as its answer alone."""
        number = int.from_bytes(os.urandom(2))
        carried = frames.udp(
            self.address, GATEWAY, (40_000, 53), frames.question(name, kind, number)
        )
        packet = frames.ipv4(self.address, GATEWAY, frames.UDP, carried)
        self.send(frames.ether(BRIDGE_MAC, self.mac, frames.IPV4, packet))
        received = []
        while True:
            frame = self.receive()
            if self._is_asked_for(frame):
                reply = frames.arp(2, (self.mac, self.address), (BRIDGE_MAC, GATEWAY))
                self.send(frames.ether(BRIDGE_MAC, self.mac, frames.ARP, reply))
            elif (answer := _find_answer(frame)) and int.from_bytes(answer[:2]) == number:
                return [*received, answer]
            else:
                received.append(frame)

    def _is_asked_for(self, frame: bytes) -> bool:
        """Tell whether somebody asks by ARP whose address ours is."""
        is_question = int.from_bytes(frame[12:14]) == frames.ARP and frame[20:22] == b"\0\1"
        return is_question and frame[38:42] == IPv4Address(self.address).packed

    def _wait(self, deadline: float, *, writing: bool = False) -> None:
        left_s = deadline - time.monotonic()
        ends = [self._port.descriptor]
        ready = select.select([] if writing else ends, ends if writing else [], [], max(0, left_s))
        if not any(ready):
            raise TimeoutError(f"{self.name}: nothing within the time")

    def close(self) -> None:
        """Switch it off."""
        self._port.close()


def _find_answer(frame: bytes) -> bytes:
    """Return what a frame carries from a name server; empty: nothing."""
    if int.from_bytes(frame[12:14]) != frames.IPV4 or frame[23] != frames.UDP:
        return b""
    return frame[42 : 34 + int.from_bytes(frame[38:40])] if frame[34:36] == b"\0\x35" else b""


def _read(answer: bytes) -> tuple[int, list[str]]:
    """Return the code, and the data of a record whose name is a pointer to the question's."""
    code, count = answer[3] & 15, int.from_bytes(answer[6:8])
    if not count:
        return code, []
    at = 12
    while answer[at]:
        at += answer[at] + 1
    record = answer[at + 5 :]
    kind, data = int.from_bytes(record[2:4]), record[12:]
    if kind == 1:
        return code, [str(IPv4Address(data))]
    labels, at = [], 0
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += data[at] + 1
    return code, [".".join(labels)]
