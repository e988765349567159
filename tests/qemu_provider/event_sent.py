"""What desk-t01 sends to its neighbours, and whom it should reach.

node1-t01 is the same trainee's, desk-t02 another's, server the event's.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from vmlab.providers.qemu.network.layout import BRIDGE_MAC

from . import frames
from .event_machines import GATEWAY, Plugged
from .frames import ACK, ARP, EVERYBODY, IPV4, IPV6, MORE, SERVICE_VLAN, SYN, TCP, UDP, VLAN

ME, OWN, OTHER, SERVER = "desk-t01", "node1-t01", "desk-t02", "server"
ALL = [OWN, OTHER, SERVER]
KIN = [OWN, SERVER]

MARK = b"----- frame %s -----"
"""In each frame's end, with its name."""

EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    # Who receives it: where all may meet, and where a trainee meets only their own and the server.
    "udp to own": ([OWN], [OWN]),
    "udp to another's": ([OTHER], []),
    "udp to the server": ([SERVER], [SERVER]),
    "udp to all": (ALL, KIN),
    "udp fragment to another's": ([OTHER], []),
    "multicast": (ALL, KIN),
    "igmp": (ALL, KIN),
    "icmp to another's": ([OTHER], []),
    "icmp to the server": ([SERVER], [SERVER]),
    "tcp to another's": ([OTHER], []),
    "tcp to the server": ([SERVER], [SERVER]),
    "answer from port 22 to another's": ([OTHER], []),
    "ssh to own": ([OWN], [OWN]),
    "notebook server to own": ([OWN], [OWN]),
    "arp for another's": (ALL, KIN),
    "arp of my own": (ALL, KIN),
    "probe of my own address": (ALL, KIN),
}
"""Every other frame reaches nobody."""

ANSWERS = {
    "card of the network": ["0x0806"],
    "name of the network": [f"{UDP}"],
    "echo of the network": [f"{frames.ICMP}"],
}
"""By what the network answers desk-t01; nothing else that it asks is answered."""


class Sender:
    """Makes what desk-t01 sends."""

    def __init__(self, me: Plugged, own: Plugged, other: Plugged, server: Plugged) -> None:
        self.me, self.own, self.other, self.server = me, own, other, server

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Yield each frame with its name, which is in it as well."""
        for kinds in (self._honest, self._fenced, self._forged, self._of_services, self._of_others):
            yield from kinds()

    def _ip(self, to: Plugged | str, protocol: int, payload: bytes, **how: object) -> bytes:
        """Return an IPv4 packet in a frame; with `source`, `card`, `target` other than the true."""
        source = str(how.pop("source", self.me.address))
        ours = str(how.pop("card", self.me.mac))
        address, theirs = (to, EVERYBODY) if isinstance(to, str) else (to.address, to.mac)
        target = str(how.pop("target", theirs))
        tags = how.pop("tags", ())
        packet = frames.ipv4(source, address, protocol, payload, **how)  # type: ignore[arg-type]
        return frames.ether(target, ours, IPV4, packet, *tags)  # type: ignore[misc]

    def _udp(self, to: Plugged | str, name: str, ports: tuple[int, int], **how: object) -> bytes:
        address = to if isinstance(to, str) else to.address
        source = str(how.get("source", self.me.address))
        return self._ip(to, UDP, frames.udp(source, address, ports, mark_of(name)), **how)

    def _tcp(self, to: Plugged, name: str, port: int, flags: int = SYN, **how: object) -> bytes:
        ports = (port, 5000) if flags & ACK else (5000, port)
        carried = frames.tcp(self.me.address, to.address, ports, flags, mark_of(name))
        return self._ip(to, TCP, carried, **how)

    def _honest(self) -> Iterator[tuple[str, bytes]]:
        me, plain = self.me, (5000, 5000)
        for name, to in (
            ("udp to own", self.own),
            ("udp to another's", self.other),
            ("udp to the server", self.server),
            ("udp to all", "10.77.255.255"),
        ):
            yield name, self._udp(to, name, plain)
        group = {"target": "01:00:5e:01:02:03"}
        yield "multicast", self._udp("239.1.2.3", "multicast", plain, **group)
        yield "igmp", self._ip("239.1.2.3", frames.IGMP, bytes(8) + mark_of("igmp"), **group)
        name = "udp fragment to another's"
        yield name, self._ip(self.other, UDP, mark_of(name), fragment=185)
        for name, to in (("icmp to another's", self.other), ("icmp to the server", self.server)):
            yield name, self._ip(to, frames.ICMP, frames.icmp(8, payload=mark_of(name)))
        for name, to in (("tcp to another's", self.other), ("tcp to the server", self.server)):
            yield name, self._tcp(to, name, 5000)
        name = "answer from port 22 to another's"
        yield name, self._tcp(self.other, name, 22, SYN | ACK)
        yield "ssh to own", self._tcp(self.own, "ssh to own", 22)
        yield "notebook server to own", self._tcp(self.own, "notebook server to own", 8888)
        name = "udp to a card that nobody has"
        yield name, self._udp(self.other, name, plain, target="02:00:0a:4d:09:09")
        theirs = (EVERYBODY, self.other.address)
        yield "arp for another's", self._arp("arp for another's", 1, (me.mac, me.address), theirs)
        mine = (EVERYBODY, me.address)
        yield "arp of my own", self._arp("arp of my own", 2, (me.mac, me.address), mine)
        name = "probe of my own address"
        yield name, self._arp(name, 1, (me.mac, "0.0.0.0"), mine)

    def _arp(
        self,
        name: str,
        operation: int,
        sender: tuple[str, str],
        target: tuple[str, str],
        **how: str,
    ) -> bytes:
        payload = frames.arp(operation, sender, target) + mark_of(name)
        return frames.ether(
            how.get("target", EVERYBODY), how.get("card", self.me.mac), ARP, payload
        )

    def _fenced(self) -> Iterator[tuple[str, bytes]]:
        """What is true, and not allowed."""
        other, server = self.other, self.server
        for name, to, port in (
            ("ssh to another's", other, 22),
            ("ssh to the server", server, 22),
            ("notebook server to another's", other, 8888),
            ("notebook server to the server", server, 8888),
        ):
            yield name, self._tcp(to, name, port)
        name = "ssh with more flags to another's"
        yield name, self._tcp(other, name, 22, SYN | 0xC0 | 8 | 32)
        # Without its flags, the first fragment does not tell what it begins.
        name = "ssh in fragments, the first"
        head = frames.tcp(self.me.address, other.address, (5000, 22), SYN)[:8]
        yield name, self._ip(other, TCP, head + mark_of(name), fragment=MORE)
        name = "ssh in fragments, the last"
        yield name, self._ip(other, TCP, mark_of(name), fragment=1)
        for protocol in (4, 41, 47, 50, 132, 255):  # IP in IP, IPv6 in IP, GRE, ESP, SCTP
            name = f"protocol {protocol}"
            yield name, self._ip(other, protocol, mark_of(name))

    def _forged(self) -> Iterator[tuple[str, bytes]]:
        """What pretends to be another machine's, or the network's own."""
        me, own, other = self.me, self.own, self.other
        plain = (5000, 5000)
        for name, source in (
            ("ip of another's", other.address),
            ("ip of my own other machine", own.address),
            ("ip of the network", GATEWAY),
            ("ip of nobody", "10.77.9.9"),
            ("ip from outside", "198.51.100.1"),
            ("ip of a loopback", "127.0.0.1"),
            ("ip of none", "0.0.0.0"),
        ):
            yield name, self._udp(self.server, name, plain, source=source)
            many = f"{name}, to all"
            yield many, self._udp("255.255.255.255", many, plain, source=source)
        yield "mac of another's", self._udp(own, "mac of another's", plain, card=other.mac)
        yield "mac of the network", self._udp(own, "mac of the network", plain, card=BRIDGE_MAC)
        yield "mac of all", self._udp(own, "mac of all", plain, card=EVERYBODY)
        name = "mac and ip of another's"
        yield name, self._udp(own, name, plain, card=other.mac, source=other.address)
        name = "fragment with the ip of another's"
        yield name, self._ip(own, UDP, mark_of(name), fragment=185, source=other.address)
        for name, sender, how in (
            ("arp: another's address is mine", (me.mac, other.address), {}),
            ("arp: the network's address is mine", (me.mac, GATEWAY), {}),
            ("arp: my address is another's", (other.mac, me.address), {}),
            ("arp with another's card", (other.mac, other.address), {"card": other.mac}),
            ("arp with two cards", (me.mac, me.address), {"card": other.mac}),
        ):
            for operation in (1, 2):
                full = f"{name}, {operation}"
                yield full, self._arp(full, operation, sender, (EVERYBODY, own.address), **how)
        name = "probe of another's address"
        yield name, self._arp(name, 1, (me.mac, "0.0.0.0"), (EVERYBODY, other.address))

    def _of_services(self) -> Iterator[tuple[str, bytes]]:
        """What would give addresses, routes or names to others."""
        me, own = self.me, self.own
        for name, ports in (
            ("dhcp offer", (67, 68)),
            ("dhcp request", (68, 67)),
            ("mdns", (5353, 5353)),
            ("llmnr answer", (5355, 5000)),
            ("llmnr question", (5000, 5355)),
            ("netbios", (137, 137)),
        ):
            yield name, self._udp(own, name, ports)
            many = f"{name}, to all"
            yield many, self._udp("255.255.255.255", many, ports)
        name = "dhcp discover"
        yield name, self._udp("255.255.255.255", name, (68, 67), source="0.0.0.0")
        name = "dhcp offer of the network's"
        yield name, self._udp("255.255.255.255", name, (67, 68), source=GATEWAY)
        group = "01:00:5e:00:00:fb"
        yield (
            "mdns to its group",
            self._udp("224.0.0.251", "mdns to its group", (5353, 5353), target=group),
        )
        for name, kind in (("redirect", 5), ("router advertisement", 9), ("solicitation", 10)):
            carried = frames.icmp(kind, 1, bytes((10, 77, 1, 1)), mark_of(name))
            yield name, self._ip(own, frames.ICMP, carried)
        for name, target, after in (
            ("ipv6 router advertisement", "33:33:00:00:00:01", 134),
            ("ipv6 neighbour advertisement", own.mac, 136),
            ("ipv6 to own", own.mac, 128),
        ):
            ends = bytes.fromhex("fe80" + "00" * 13 + "01" + "ff02" + "00" * 13 + "01")
            carried = bytes((after, 0, 0, 0)) + bytes(12) + mark_of(name)
            head = struct.pack("!IHBB", 6 << 28, len(carried), 58, 255)
            yield name, frames.ether(target, me.mac, IPV6, head + ends + carried)

    def _of_others(self) -> Iterator[tuple[str, bytes]]:
        """What is not plain IPv4 on Ethernet, and what is broken."""
        me, own = self.me, self.own
        for name, tags in (
            ("vlan 0", [(VLAN, 0)]),
            ("vlan 7", [(VLAN, 7)]),
            ("service vlan", [(SERVICE_VLAN, 7)]),
            ("two vlans", [(SERVICE_VLAN, 7), (VLAN, 7)]),
            ("vlan 0 twice", [(VLAN, 0), (VLAN, 0)]),
        ):
            yield f"udp in {name}", self._udp(own, f"udp in {name}", (5000, 5000), tags=tags)
            payload = frames.arp(2, (me.mac, self.other.address), (EVERYBODY, own.address))
            full = f"arp in {name}"
            yield full, frames.ether(EVERYBODY, me.mac, ARP, payload + mark_of(full), *tags)
        for name, kind, target in (
            ("reverse arp", 0x8035, EVERYBODY),
            ("pppoe discovery", 0x8863, EVERYBODY),
            ("pppoe session", 0x8864, own.mac),
            ("802.1x", 0x888E, "01:80:c2:00:00:03"),
            ("lldp", 0x88CC, "01:80:c2:00:00:0e"),
            ("mpls", 0x8847, own.mac),
            ("ethernet loopback", 0x9000, own.mac),
            ("anything", 0x88B5, own.mac),
        ):
            yield name, frames.ether(target, me.mac, kind, mark_of(name))
        yield (
            "bpdu",
            frames.llc("01:80:c2:00:00:00", me.mac, b"\x42\x42\x03" + bytes(35) + mark_of("bpdu")),
        )
        yield "llc", frames.llc(own.mac, me.mac, b"\xaa\xaa\x03\0\0\0\x08\0" + mark_of("llc"))
        yield "pause", frames.ether("01:80:c2:00:00:01", me.mac, 0x8808, mark_of("pause"))
        name = "ip to a group of the bridge's"
        yield (
            name,
            self._udp(
                own.address, name, (5000, 5000), card=self.other.mac, target="01:80:c2:00:00:0e"
            ),
        )
        for name, first in (("ip of version 6", 0x65), ("ip with a short head", 0x43)):
            yield name, self._ip(own, 200, mark_of(name), first_byte=first)


def mark_of(name: str) -> bytes:
    return MARK % name.encode()


def question_frames(me: Plugged) -> dict[str, bytes]:
    """Return what the network itself, the host and the internet are asked."""
    sources = (me.address, (5000, 22))

    def to(address: str, protocol: int, carried: bytes) -> bytes:
        return frames.ether(
            BRIDGE_MAC, me.mac, IPV4, frames.ipv4(me.address, address, protocol, carried)
        )

    def tcp(address: str, port: int) -> bytes:
        return to(address, TCP, frames.tcp(sources[0], address, (5000, port), SYN))

    def udp(address: str, port: int) -> bytes:
        asked = frames.udp(sources[0], address, (5000, port), frames.question("server"))
        return to(address, UDP, asked)

    gateway = frames.arp(1, (me.mac, me.address), (EVERYBODY, GATEWAY))
    return {
        # First, so that the network knows where answers go.
        "card of the network": frames.ether(EVERYBODY, me.mac, ARP, gateway),
        "name of the network": udp(GATEWAY, 53),
        "echo of the network": to(GATEWAY, frames.ICMP, frames.icmp(8, payload=b"echo")),
        "ssh of the network": tcp(GATEWAY, 22),
        "names by tcp": tcp(GATEWAY, 53),
        "any port of the network": udp(GATEWAY, 5000),
        "hub of the host": tcp(GATEWAY, 8081),
        "loopback": tcp("127.0.0.1", 22),
        "names of a loopback": udp("127.0.0.1", 53),
        "echo of a loopback": to("127.0.0.1", frames.ICMP, frames.icmp(8)),
        "card 0's gateway": tcp("10.0.2.2", 8081),
        "internet by tcp": tcp("1.1.1.1", 80),
        "internet by udp": udp("1.1.1.1", 53),
        "internet by icmp": to("1.1.1.1", frames.ICMP, frames.icmp(8)),
        **{f"host's {address}": tcp(address, 22) for address in _host_addresses()},
    }


def _host_addresses() -> list[str]:
    """Return the address by which the host would reach others, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]
