"""A host on a public network, and a machine's way out of it: real packets, all of it played.

    neighbour 203.0.113.9 ─┐
    others on the wire ────┤
    host      203.0.113.5 ─┴─ router 203.0.113.1 ── somewhere 9.9.9.9

Run as a program, as root of empty network, mount and process namespaces; prints what was reached.
The addresses but the last one are those for documentation, RFC 5737 and 3849.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from vmlab.network.uplink import enter_namespace_with_internet
from vmlab.providers.qemu.process.neighbour_watch import tell
from vmlab.providers.qemu.process.neighbours import find_unreachable

PORT = 7007
DNS_PORT = 53
PATIENCE_S = 2

# Who answers on the host's wire, and why the host finds them there.
NEIGHBOURS = {
    "its subnet": "203.0.113.9",
    "its router": "203.0.113.1",
    "a subnet of a second address": "198.51.100.21",
    "a subnet of a route in another table": "192.0.2.70",
    "one address of a route": "151.101.1.5",
    "the other end of a line": "151.101.9.2",
    "a service of the cloud": "169.254.169.254",
    "a carrier's network": "100.64.0.9",
    "a private network": "10.20.30.40",
}
OWN = {"its address": "203.0.113.5", "its second address": "198.51.100.20"}
IPV6 = {"its IPv6 subnet": "2001:db8::9", "IPv6 somewhere": "2001:db8:99::9"}
SOMEWHERE = "9.9.9.9"
NEWCOMER = "185.1.2.9"
"""Behind the router at first; later the host gets an address beside it."""

_NET = """
ip netns add wire; ip netns add far
# Nobody waits whether an IPv6 address is somebody else's; the wire's end passes packets on.
no_waiting="echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad"
sh -c "$no_waiting"; for each in wire far; do ip netns exec $each sh -c "$no_waiting"; done
ip netns exec wire sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward"
ip link set lo up
ip link add eth0 type veth peer name port0 netns wire
ip -n wire link add out type veth peer name in netns far
ip addr add 203.0.113.5/24 dev eth0; ip addr add 198.51.100.20/28 dev eth0
ip addr add 151.101.9.1 peer 151.101.9.2 dev eth0
ip -6 addr add 2001:db8::5/64 dev eth0 nodad; ip link set eth0 up
ip -n wire link set lo up; ip -n wire link set port0 up; ip -n wire link set out up
ip -n wire addr add 203.0.113.1/24 dev port0; ip -n wire addr add 192.88.98.1/30 dev out
ip -n wire -6 addr add 2001:db8::1/64 dev port0 nodad
ip -n wire -6 addr add 2001:db8:98::1/64 dev out nodad
ip netns exec wire sh -c "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
ip -n far link set lo up; ip -n far link set in up
ip -n far addr add 192.88.98.2/30 dev in; ip -n far route add default via 192.88.98.1
ip -n far addr add 9.9.9.9/32 dev lo
ip -n far -6 addr add 2001:db8:98::2/64 dev in nodad
ip -n far -6 route add default via 2001:db8:98::1; ip -n far -6 addr add 2001:db8:99::9/128 dev lo
ip -n wire route add 198.51.100.16/28 dev port0; ip -n wire route add 151.101.9.1 dev port0
ip -n wire route add 9.9.9.9 via 192.88.98.2
ip -n wire -6 route add 2001:db8:99::/64 via 2001:db8:98::2
ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8::1
ip route add 192.0.2.64/26 dev eth0 table 100; ip rule add from all lookup 100
ip route add 151.101.1.5 dev eth0
"""


def _run(line: str) -> None:
    subprocess.run(["sh", "-ec", line], check=True)


def play_network() -> None:
    """Make the network, and let everybody in it answer."""
    _run("mount -t tmpfs none /run")
    _run(_NET)
    for address in (*NEIGHBOURS.values(), NEWCOMER):
        if address != "203.0.113.1":
            _run(f"ip -n wire addr add {address}/32 dev lo")
    _run("ip -n wire -6 addr add 2001:db8::9/64 dev port0 nodad")
    resolver = Path("/run/resolv.conf")
    resolver.write_text("nameserver 203.0.113.9\n")
    _run(f"mount --bind {resolver} /etc/resolv.conf")
    for where in ("wire", "far", ""):
        _answer(where)


def _answer(where: str) -> None:
    """Start somebody who answers everything that comes to a namespace; return once they listen."""
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        assert os.read(read, 1) == b"1"
        os.close(read)
        return
    if where:
        with Path(f"/run/netns/{where}").open() as namespace:
            assert ctypes.CDLL(None).setns(namespace.fileno(), 0) == 0
    for port in (PORT, DNS_PORT):
        tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", port))
        threading.Thread(target=_greet, args=(tcp,)).start()
        threading.Thread(target=_echo, args=(udp,)).start()
    os.write(write, b"1")
    threading.Event().wait()


def _greet(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"hello")


def _echo(endpoint: socket.socket) -> None:
    while True:
        _, sender = endpoint.recvfrom(100)
        with contextlib.suppress(OSError):
            endpoint.sendto(b"hello", sender)


def is_reached(address: str, port: int = PORT) -> bool:
    """Tell whether somebody answers there, by TCP or by UDP."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), PATIENCE_S) as tcp:
        return tcp.recv(5) == b"hello"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(PATIENCE_S)
        udp.sendto(b"?", (address, port))
        return udp.recv(5) == b"hello"
    return False


def look(targets: dict[str, tuple[str, int]]) -> dict[str, bool]:
    """Return what is reached, all at once."""
    found: dict[str, bool] = {}

    def ask(name: str) -> None:
        found[name] = is_reached(*targets[name])

    threads = [threading.Thread(target=ask, args=(name,)) for name in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def look_from_a_machine(
    bytes_per_s: int, unreachable: list[str], targets: dict[str, tuple[str, int]]
) -> dict[str, bool]:
    """Return what is reached from a new namespace with internet."""
    read, write = os.pipe()
    if os.fork() == 0:
        enter_namespace_with_internet(bytes_per_s, unreachable)
        os.write(write, json.dumps(look(targets)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        found: dict[str, bool] = json.loads(told.read())
    return found


def look_again_from_a_machine(bytes_per_s: int) -> dict[str, bool]:
    """Return whether somebody is reached who is far, then comes near, and then is told of."""
    who = {"newcomer": (NEWCOMER, PORT)}
    orders_read, orders_write = os.pipe()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(orders_write)
        enter_namespace_with_internet(bytes_per_s, asyncio.run(find_unreachable()))
        while True:
            os.write(write, b"1" if look(who)["newcomer"] else b"0")
            if not os.read(orders_read, 1):
                os._exit(0)
    found = {"far": os.read(read, 1) == b"1"}
    _run("ip addr add 185.1.2.5/24 dev eth0; ip -n wire route add 185.1.2.5 dev port0")
    os.write(orders_write, b"!")
    found["near"] = os.read(read, 1) == b"1"
    asyncio.run(tell(child, asyncio.run(find_unreachable())))
    os.write(orders_write, b"!")
    found["told"] = os.read(read, 1) == b"1"
    os.close(orders_write)
    return found


def main() -> None:
    """Play the network and print what the host reaches, and a machine without and with care."""
    play_network()
    all_of_them = {**NEIGHBOURS, **OWN, **IPV6, "somewhere": SOMEWHERE}
    targets = {name: (address, PORT) for name, address in all_of_them.items()}
    host = look(targets)
    rate = int(sys.argv[1])
    careless = look_from_a_machine(rate, [], targets)
    # What only a machine sees: the other end of its own cable.
    targets |= {
        "the resolver": ("10.0.3.3", DNS_PORT),
        "the resolver's other ports": ("10.0.3.3", PORT),
        "the host's loopback": ("10.0.3.2", PORT),
        "a stranger on the cable": ("10.0.3.9", PORT),
    }
    machine = look_from_a_machine(rate, asyncio.run(find_unreachable()), targets)
    told = {"host": host, "careless": careless, "machine": machine}
    sys.stdout.write(json.dumps({**told, "again": look_again_from_a_machine(rate)}))


if __name__ == "__main__":
    main()
