"""An event's network from its making to its end: ports, names, floods, deaths. The kernel's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import psutil
import pytest

from fakes.waiting import wait_until
from vmlab.errors import HostError, MachineConflictError
from vmlab.model import Meeting, NetworkSpec, NetworkStatus
from vmlab.providers.qemu.network.keeper import LOCK
from vmlab.providers.qemu.network.namespace import HOLDER_LOCK
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.providers.qemu.network.port import PortKind
from vmlab.system.locks import is_locked, lock_holder

from . import frames
from .event_machines import GATEWAY, Plugged, card, event
from .test_event_network import NO_TUN

MOST_MIB = 60
"""What the network of 20 trainees may take of the host's memory."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="without root: test_event_network")


@pytest.fixture
def folder():
    """One with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="vmlab-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def networks(folder):
    """Networks; none is left, whatever the test did."""
    made = EventNetworks(folder)
    yield made
    for path in list(folder.iterdir()):
        await made.remove(path.name)
    assert not list(folder.iterdir())


@pytest.fixture
async def by_cable(folder):
    """The same where there is no /dev/net/tun."""
    words = ["unshare", "--mount", "sh", "-ec", NO_TUN, "sh"]
    made = EventNetworks(folder, lambda _unit: words)
    yield made
    for path in list(folder.iterdir()):
        await made.remove(path.name)


def kill(lock: Path) -> None:
    """Kill who holds this lock; return when the kernel has noticed."""
    pid = lock_holder(str(lock))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_locked(str(lock)))


async def plug(networks, spec, name, address, trainee="t01", own="") -> Plugged:
    return await Plugged.plug(networks, name, card(spec, address, trainee, name, own=own))


def meet(one: Plugged, other: Plugged, word: bytes) -> None:
    """Have the other receive a word of the one's."""
    one.send(one.datagram(other, word))
    other.receive_until(word)


async def test_a_network_is_made_looked_at_and_removed(networks, folder):
    assert await networks.list() == []
    farm = event()
    await networks.ensure(farm)
    await networks.ensure(farm)
    assert await networks.list() == [NetworkStatus("farm")]
    assert (folder / "farm").stat().st_mode & 0o777 == 0o700
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    meet(desk, node, b"hello")
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01", "node1-t01"))]
    # Another process of ours sees the same.
    assert await EventNetworks(folder).list() == await networks.list()
    node.close()
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01",))]
    await networks.unplug("desk-t01")
    await networks.unplug("desk-t01")
    assert await networks.list() == [NetworkStatus("farm")]
    desk.close()
    await networks.remove("farm")
    await networks.remove("farm")
    assert await networks.list() == []
    assert list(folder.iterdir()) == []


async def test_a_network_that_is_removed_connects_nobody(networks):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    meet(desk, node, b"hello")
    await networks.remove("farm")
    desk.send(desk.datagram(node, b"anybody?"))
    with pytest.raises((TimeoutError, OSError)):
        node.receive_until(b"anybody?", limit_s=0.2)
    for machine in (desk, node):
        machine.close()


async def test_whoever_comes_while_a_network_is_removed_holds_nothing(networks, folder):
    """A port that is asked for just then must not keep the namespace of a keeper that ends."""
    farm = event()
    other = EventNetworks(folder)  # as another process of ours, which waits for no turn
    for _ in range(5):
        await networks.ensure(farm)
        removing = asyncio.create_task(networks.remove("farm"))
        asked = [
            asyncio.create_task(other.plug(f"desk-t{n:02}", card(farm, f"10.77.{n}.1", f"t{n:02}")))
            for n in range(1, 6)
        ]
        results = await asyncio.gather(removing, *asked, return_exceptions=True)
        assert results[0] is None, results[0]
        for result in results[1:]:
            if isinstance(result, BaseException):
                assert isinstance(result, HostError | MachineConflictError), result
            else:
                result.close()
        assert await networks.list() == []
        wait_until(lambda: not _find_those_in(folder / "farm"))


async def test_several_may_remove_a_network_at_once(networks, folder):
    for _ in range(3):
        await networks.ensure(event())
        several = [networks, *(EventNetworks(folder) for _ in range(3))]
        await asyncio.gather(*(each.remove("farm") for each in several))
        assert await networks.list() == []
        assert list(folder.iterdir()) == []


async def test_a_machine_joins_a_network_whether_it_was_removed_or_not(networks):
    farm = event()
    at = card(farm, "10.77.1.1", "t01", "desk-t01")
    removing = asyncio.create_task(networks.remove("farm"))
    ports = await asyncio.gather(networks.join("desk-t01", at), networks.join("desk-t01", at))
    await removing
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01",))]
    for port in ports:
        port.close()


async def test_a_port_that_is_taken_again_is_the_only_one(networks):
    farm = event()
    await networks.ensure(farm)
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    old = await plug(networks, farm, "desk-t01", "10.77.1.1")
    new = await plug(networks, farm, "desk-t01", "10.77.1.1")
    meet(new, node, b"new")
    meet(node, new, b"back")
    with pytest.raises(OSError, match="Input/output"):
        old.send(old.datagram(node, b"old"))
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01", "node1-t01"))]
    for machine in (node, old, new):
        machine.close()


async def test_what_cannot_be_beside_what_is_there_is_refused(networks):
    farm = event()
    with pytest.raises(HostError, match="the network farm cannot be asked to plug"):
        await networks.plug("desk-t01", card(farm, "10.77.1.1", "t01", "desk-t01"))
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    for address, name, why in (
        ("10.77.1.1", "desk-t02", "desk-t01 has its address 10.77.1.1"),
        ("10.77.2.1", "desk-t01", "desk-t01 has its name desk-t01"),
        (GATEWAY, "desk-t02", "is not an address for machines"),
    ):
        with pytest.raises(MachineConflictError, match=why):
            await networks.plug("machine-t02", card(farm, address, "t02", name))
    narrow = NetworkSpec("farm", IPv4Network("10.78.0.0/16"))
    with pytest.raises(
        MachineConflictError, match=r"10\.77\.0\.0/16, not 10\.78\.0\.0/16, and 1 mach"
    ):
        await networks.ensure(narrow)
    with pytest.raises(HostError, match="has no room for machines"):
        await networks.ensure(NetworkSpec("tiny", IPv4Network("10.78.0.0/31")))
    desk.close()
    await networks.ensure(narrow)
    with pytest.raises(MachineConflictError, match="is not an address for machines of"):
        await networks.plug("desk-t01", card(narrow, "10.77.1.1", "t01", "desk-t01"))


async def test_whom_machines_meet_can_be_changed_while_they_run(networks):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    other = await plug(networks, farm, "desk-t02", "10.77.2.1", "t02")
    server = await plug(networks, farm, "server", "10.77.0.20", "")
    meet(desk, other, b"all")
    await networks.ensure(event(meeting=Meeting.OWN))
    desk.send(desk.datagram(other, b"own"))
    meet(server, other, b"after it")
    await networks.ensure(farm)
    desk.send(desk.datagram(other, b"all again"))
    assert not [frame for frame in other.receive_until(b"all again") if b"own" in frame]
    for machine in (desk, other, server):
        machine.close()


async def test_names_are_those_of_who_asks(networks):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1", own="desk")
    other = await plug(networks, farm, "desk-t02", "10.77.2.1", "t02", own="desk")
    assert desk.ask("desk") == (0, ["10.77.1.1"])
    assert other.ask("desk") == (0, ["10.77.2.1"])
    assert other.ask("desk-t01.event") == (0, ["10.77.1.1"])
    assert desk.ask("1.2.77.10.in-addr.arpa", 12) == (0, ["desk-t02.event"])
    assert desk.ask("node7") == (3, [])
    assert desk.ask("deb.example") == (5, [])
    # A machine that is off is still known; its address was never anybody else's.
    other.close()
    assert desk.ask("desk-t02") == (0, ["10.77.2.1"])
    new = await plug(networks, farm, "desk-t03", "10.77.2.1", "t03")
    assert desk.ask("desk-t02") == (3, [])
    assert desk.ask("desk-t03") == (0, ["10.77.2.1"])
    for machine in (desk, new):
        machine.close()


@pytest.mark.attack("event.flood", "sends without end, to all and to one")
@pytest.mark.parametrize("to_all", [True, False], ids=["to all", "to one"])
async def test_a_machine_that_floods_is_limited_and_named(networks, folder, to_all, tried):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    other = await plug(networks, farm, "desk-t02", "10.77.2.1", "t02")
    server = await plug(networks, farm, "server", "10.77.0.20", "")
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01", "desk-t02", "server"))]
    # The large ones are counted where they come in, and are too large to get further; so a slow
    # host has a flood, too.
    frame = desk.datagram(None, b"flood") if to_all else desk.datagram(server, bytes(60_000))
    arrived = sent = 0
    while not (status := (await networks.list())[0]).flooding:
        assert sent < 1_000_000
        for _ in range(500):
            desk.send(frame)
        sent += 500
        arrived += server.drain()
    assert status.flooding == ("desk-t01",)
    # A hub that begins just now hears of it as well: the kernel remembers, not the hub.
    assert (await EventNetworks(folder).list())[0].flooding == ("desk-t01",)
    # Others are heard as before, by those as well to whom the flood went.
    other.drain()
    meet(server, other, b"hello")
    meet(other, server, b"hello")
    if to_all:
        assert arrived < sent
    tried(1)
    for machine in (desk, other, server):
        machine.close()


_FLOOD_AND_END = """
import asyncio, os, sys
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Interface, IPv4Network
from vmlab.model import Card, NetworkSpec
from vmlab.providers.qemu.network import bridge, namespace, rules
from vmlab.providers.qemu.network.kept import KeptNetwork
from vmlab.providers.qemu.network.layout import Member

os.chdir(sys.argv[1])
# The product's minute is too long to wait for; all else is as it is.
bridge.make_table = partial(rules.make_table, rates=replace(rules.RATES, remembered_s=1))
farm = NetworkSpec("farm", IPv4Network("10.77.0.0/16"))
mac = "02:00:0a:4d:01:01"
desk = Member("desk-t01", Card(farm, mac, IPv4Interface("10.77.1.1/16"), "t01", ("desk-t01",)))

async def main():
    network = KeptNetwork()
    await network.begin(farm, taken_over=False)
    port = await network.plug(desk)
    head = bytes(10) if port.kind == "tap" else b""
    frame = head + b"\\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + b"\\x08\\x06" + bytes(46)
    os.set_blocking(port.descriptor, True)
    async with asyncio.timeout(60):
        while not (await network.status())["flooding"]:
            for _ in range(500):
                os.write(port.descriptor, frame)
    print(*(await network.status())["flooding"])
    async with asyncio.timeout(60):
        while (await network.status())["flooding"]:
            await asyncio.sleep(0.1)
    print("forgotten")
    await network.take_down()
    port.close()

namespace.enter()
try:
    asyncio.run(main())
finally:
    namespace.let_go()
"""


async def test_who_flooded_is_no_longer_named_when_it_has_ended(folder):
    words = [sys.executable, "-c", _FLOOD_AND_END, str(folder)]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["desk-t01", "forgotten"]


@pytest.mark.attack("event.dhcp", "asks for addresses with thousands of cards")
async def test_addresses_cannot_be_used_up(networks, tried):
    """There are none to be had: no DHCP, which the decision gives up for this reason, too."""
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1", own="desk")
    other = await plug(networks, farm, "desk-t02", "10.77.2.1", "t02")
    for number in range(3000):
        forged = f"02:aa:00:00:{number >> 8:02x}:{number & 255:02x}"
        carried = frames.udp("0.0.0.0", "255.255.255.255", (68, 67), bytes(240))
        packet = frames.ipv4("0.0.0.0", "255.255.255.255", frames.UDP, carried)
        desk.send(frames.ether(frames.EVERYBODY, forged, frames.IPV4, packet))
    meet(desk, other, b"hello")  # all that came before has arrived, or never will
    assert other.drain() == 0
    assert desk.ask("desk") == (0, ["10.77.1.1"]), "names are answered as before"
    late = await plug(networks, farm, "node1-t02", "10.77.2.2", "t02")
    meet(late, other, b"there was an address for me")
    tried(1)
    for machine in (desk, other, late):
        machine.close()


@pytest.mark.attack("event.keeper", "kills who keeps a network")
async def test_machines_go_on_when_their_keeper_dies_and_another_takes_over(
    networks, folder, tried
):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1", own="desk")
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    kill(folder / "farm" / LOCK)
    meet(desk, node, b"without a keeper")
    (status,) = await networks.list()
    assert "its keeper has ended" in status.problem
    await networks.ensure(farm)
    assert await networks.list() == [NetworkStatus("farm", ("desk-t01", "node1-t01"))]
    meet(node, desk, b"with another")
    assert desk.ask("desk") == (0, ["10.77.1.1"])
    late = await plug(networks, farm, "node2-t01", "10.77.1.3")
    meet(late, desk, b"I am late")
    # Who holds the namespace besides is replaced by the keeper; so either may die, again and again.
    kill(folder / "farm" / HOLDER_LOCK)
    await networks.ensure(farm)
    assert is_locked(str(folder / "farm" / HOLDER_LOCK))
    kill(folder / "farm" / LOCK)
    meet(desk, late, b"still there")
    await networks.remove("farm")
    assert await networks.list() == []
    tried(3)
    for machine in (desk, node, late):
        machine.close()


async def test_a_network_that_nobody_holds_is_made_again(networks, folder):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    for lock in (LOCK, HOLDER_LOCK):
        kill(folder / "farm" / lock)
    assert await networks.list() == []
    await networks.ensure(farm)
    assert await networks.list() == [NetworkStatus("farm")], "its machines are plugged in again"
    again = await plug(networks, farm, "desk-t01", "10.77.1.1")
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    meet(again, node, b"hello")
    for machine in (desk, again, node):
        machine.close()


async def test_a_damaged_record_lets_nobody_send_until_plugged_in_again(networks, folder):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    node = await plug(networks, farm, "node1-t01", "10.77.1.2")
    kill(folder / "farm" / LOCK)
    (folder / "farm" / "network.json").write_text("{")
    await networks.ensure(farm)
    assert await networks.list() == [NetworkStatus("farm")]
    again = await plug(networks, farm, "desk-t01", "10.77.1.1")
    desk.close()
    node.send(node.datagram(again, b"nobody knows me"))
    known = await plug(networks, farm, "node2-t01", "10.77.1.3")
    known.send(known.datagram(again, b"and me"))
    assert not again.receive_until(b"and me")
    for machine in (node, again, known):
        machine.close()


async def test_a_cable_is_cut_when_its_keeper_dies(by_cable, folder):
    farm = event()
    await by_cable.ensure(farm)
    desk = await plug(by_cable, farm, "desk-t01", "10.77.1.1")
    node = await plug(by_cable, farm, "node1-t01", "10.77.1.2")
    assert desk.kind is PortKind.DGRAM
    meet(desk, node, b"hello")
    kill(folder / "farm" / LOCK)
    with pytest.raises((EOFError, OSError)):
        node.receive_until(b"never")
    await by_cable.ensure(farm)
    assert await by_cable.list() == [NetworkStatus("farm")], "so the provider plugs them in again"
    again = [await plug(by_cable, farm, each.name, each.address) for each in (desk, node)]
    meet(again[0], again[1], b"again")
    again[0].close()
    while "desk-t01" in (await by_cable.list())[0].machines:  # noqa: ASYNC110 - the keeper is told by the kernel
        await asyncio.sleep(0.02)
    assert await by_cable.list() == [NetworkStatus("farm", ("node1-t01",))]
    for machine in (desk, node, again[1]):
        machine.close()


async def test_many_who_ensure_a_network_get_one(folder, networks):
    farm = event()
    several = [EventNetworks(folder) for _ in range(4)]
    await asyncio.gather(*(each.ensure(farm) for each in several))
    pid = lock_holder(str(folder / "farm" / LOCK))
    # Those who came second see that it is kept, and end.
    wait_until(lambda: len(_find_those_in(folder / "farm")) == 2)
    ours = _find_those_in(folder / "farm")
    assert pid in {p.pid for p in ours}
    assert "sleep" in {p.name() for p in ours}


def _find_those_in(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder
    except (psutil.Error, OSError):
        return False


@pytest.mark.attack("event.keeper", "another user of the host asks a keeper")
async def test_another_user_is_not_answered(networks, folder, tried):
    farm = event()
    await networks.ensure(farm)
    script = (
        "import socket, sys\n"
        "ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "ours.connect(sys.argv[1])\n"
        'ours.send(b\'{"ask": "remove"}\')\n'
        "print(ours.recv(100))\n"
    )
    words = ["setpriv", "--reuid=nobody", "--clear-groups", "/usr/bin/python3", "-c", script]
    words.append(str(folder / "farm" / "keeper.sock"))
    for mode in (0o700, 0o777):  # the folder keeps them out; the keeper does, too
        for path, bits in (
            (folder, 0o777),
            (folder / "farm", mode),
            (folder / "farm" / "keeper.sock", 0o777),
        ):
            path.chmod(bits)
        done = await asyncio.to_thread(
            subprocess.run, words, capture_output=True, text=True, check=False
        )
        assert "removed" not in done.stdout
    assert await networks.list() == [NetworkStatus("farm")]
    tried(2)


async def test_a_connection_into_the_network(networks):
    farm = event()
    await networks.ensure(farm)
    desk = await plug(networks, farm, "desk-t01", "10.77.1.1")
    connecting = asyncio.create_task(networks.connect("farm", IPv4Address("10.77.1.1"), 22))
    await asyncio.to_thread(_accept, desk)
    with await connecting as end:
        assert end.getpeername() == ("10.77.1.1", 22)
        assert end.getsockname()[0] == GATEWAY
    with pytest.raises(ConnectionError, match=r"10\.77\.1\.77:80"):
        await networks.connect("farm", IPv4Address("10.77.1.77"), 80)
    desk.close()


def _accept(desk: Plugged) -> None:
    """Answer as a machine's kernel would: ARP, then the first segment."""
    while True:
        frame = desk.receive()
        kind = int.from_bytes(frame[12:14])
        source = frame[6:12].hex(":")
        if kind == frames.ARP:
            reply = frames.arp(2, (desk.mac, desk.address), (source, GATEWAY))
            desk.send(frames.ether(source, desk.mac, frames.ARP, reply))
        elif kind == frames.IPV4 and frame[23] == frames.TCP and frame[47] & frames.SYN:
            asked = int.from_bytes(frame[38:42]) + 1
            ports = (int.from_bytes(frame[36:38]), int.from_bytes(frame[34:36]))
            segment = frames.tcp(
                desk.address, GATEWAY, ports, frames.SYN | frames.ACK, number=asked
            )
            packet = frames.ipv4(desk.address, GATEWAY, frames.TCP, segment)
            desk.send(frames.ether(source, desk.mac, frames.IPV4, packet))
            return


async def test_twenty_trainees_take_little_memory_and_no_time(networks, folder):
    farm = event()
    await networks.ensure(farm)
    machines = []
    for number in range(1, 21):
        for kind, place in (("desk", 1), ("node1", 2)):
            name = f"{kind}-t{number:02}"
            machines.append(
                await plug(
                    networks, farm, name, f"10.77.{number}.{place}", f"t{number:02}", own=kind
                )
            )
    meet(machines[0], machines[-1], b"hello")
    assert machines[-1].ask("desk-t01") == (0, ["10.77.1.1"])
    assert len((await networks.list())[0].machines) == 40
    ours = _find_those_in(folder / "farm")
    taken_mib = sum(p.memory_info().rss for p in ours) >> 20
    assert taken_mib < MOST_MIB, taken_mib
    before = [(p.cpu_times()[:2], p.num_ctx_switches()) for p in ours]
    await asyncio.sleep(2)  # what is measured: nothing happens for a while
    assert [(p.cpu_times()[:2], p.num_ctx_switches()) for p in ours] == before
    for machine in machines:
        machine.close()


_ASK_FOR_NAMES = """
import asyncio, os, resource, socket, subprocess, sys, time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from vmlab.model import Card, NetworkSpec
from vmlab.network.uplink import enter_namespace
from vmlab.providers.qemu.network.layout import Member
from vmlab.providers.qemu.network.name_server import NameServer
from vmlab.providers.qemu.network.names import Names
from qemu_provider.frames import question

farm = NetworkSpec("farm", IPv4Network("10.77.0.0/16"))
enter_namespace()
subprocess.run(["ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo"], check=True)

def member(number):
    address = IPv4Interface(f"10.77.{number}.1/16")
    name = f"desk-t{number}"
    mac = f"02:00:0a:4d:{number:02x}:01"
    return Member(name, Card(farm, mac, address, f"t{number}", (name,), ("desk",)))

def client(number, answers):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((f"10.77.{number}.1", 0))
        end.connect(("10.77.0.1", 53))
        end.settimeout(20)
        for other in range(1, 20):
            end.send(question(f"desk-t{other}"))
            assert end.recv(512)[-4:] == bytes((10, 77, other, 1))
        end.send(question("desk"))
        assert end.recv(512)[-4:] == bytes((10, 77, number, 1))

async def main():
    server = NameServer(IPv4Address("10.77.0.1"))
    server.names = Names.of(farm.addresses, [member(number) for number in range(1, 201)])
    pids = []
    begun = time.monotonic()
    for number in range(1, 201):
        if (pid := os.fork()) == 0:
            status = 1
            try:
                client(number, None)
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    statuses = await asyncio.gather(*(asyncio.to_thread(os.waitpid, pid, 0) for pid in pids))
    print(sum(status == 0 for _, status in statuses), time.monotonic() - begun)

asyncio.run(main())
"""


async def test_two_hundred_machines_ask_for_twenty_names_each():
    words = [sys.executable, "-c", _ASK_FOR_NAMES]
    tests = str(Path(__file__).parents[1])
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": tests},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answered, took_s = done.stdout.split()
    assert int(answered) == 200
    assert float(took_s) < 60
