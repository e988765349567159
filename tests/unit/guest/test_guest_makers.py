"""Pure parts: request, network messages, hosts, server state, port, mountinfo, superblock."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from fakes.guest_seeds import CARD, ENV, make_seed
from vmlab.seed import event_network, guest_network
from vmlab_guest.agent import find_port
from vmlab_guest.identity import make_hosts
from vmlab_guest.libc import parse_options
from vmlab_guest.mounts import find_device, find_mounted
from vmlab_guest.network import list_cards, make_resolv_conf
from vmlab_guest.rtnetlink import make_address, make_route, parse_address, split_messages
from vmlab_guest.server import ServerState, own_server, parse_state, read_state
from vmlab_guest.server_request import ServerRequest, dump_request, read_request
from vmlab_protocol.seed_reader import parse_seed


@given(st.dictionaries(st.text(), st.text()), st.lists(st.text()))
def test_a_request_comes_back_the_same(env: dict[str, str], args: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "request"
        assert read_request(path) is None
        path.write_text(dump_request(env, tuple(args)))
        assert read_request(path) == ServerRequest(env, tuple(args))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ActiveState=active\nJob=0\n", ServerState.STARTING),
        ("ActiveState=inactive\nJob=12\n", ServerState.STARTING),
        ("ActiveState=activating\nJob=0\n", ServerState.STARTING),
        ("ActiveState=failed\nJob=0\n", ServerState.FAILED),
        ("ActiveState=inactive\nJob=0\n", ServerState.STOPPED),
        ("", ServerState.STOPPED),
    ],
)
def test_state(text: str, state: ServerState) -> None:
    assert parse_state(text) is state


def test_the_state_is_the_zygotes_own_word(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    system.units["vmlab-server.service"] = 1
    assert read_state(system) is ServerState.STARTING, "no word yet, but systemd runs it"
    system.start_zygote()
    assert read_state(system) is ServerState.STOPPED


@given(st.integers(1, 2**31 - 1), st.ip_addresses(v=4), st.integers(0, 32))
def test_an_address_comes_back_from_its_message(index: int, ip: IPv4Address, bits: int) -> None:
    address = IPv4Interface((ip, bits))
    assert parse_address(make_address(index, address)) == (index, address)


def test_messages_are_cut_where_they_end() -> None:
    data = struct.pack("=IHHII3sx", 19, 20, 0, 1, 0, b"abc") + struct.pack("=IHHII", 16, 3, 0, 1, 0)
    assert list(split_messages(data)) == [(20, b"abc"), (3, b"")]


@pytest.mark.parametrize(
    ("options", "flags", "rest"),
    [
        ("", 0, ""),
        ("defaults,rw", 0, ""),
        ("nodev,nosuid,discard", 0x6, "discard"),
        ("ro,data=ordered,noatime,commit=5", 0x401, "data=ordered,commit=5"),
    ],
)
def test_mount_options(options: str, flags: int, rest: str) -> None:
    assert parse_options(options) == (flags, rest)


def test_only_real_cards_count(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    classes = system.root / "sys/class/net"
    assert list(list_cards(classes)) == []
    system.add_card("docker0", 2, real=False)
    system.add_card("ens9", 9)
    system.add_card("ens3", 3)
    (classes / "ens3/address").unlink()  # it is unplugged just now
    (classes / "bonding_masters").write_text("")
    assert [(card.index, card.name) for card in list_cards(classes)] == [(9, "ens9")]


def test_a_route_says_where_it_leads() -> None:
    """Ref: rtnetlink(7); as iproute2 sends it for `ip route replace ... dev ...`."""
    multicast = make_route(3, IPv4Network("224.0.0.0/4"), None)
    assert (
        multicast.hex() == "0204000" + "0fe04fd0100000000" + "08000100e0000000" + "0800040003000000"
    )
    default = make_route(2, IPv4Network("0.0.0.0/0"), IPv4Address("10.0.2.2"))
    assert (
        default.hex() == "0200000" + "0fe04000100000000" + "080005000a000202" + "0800040002000000"
    )


@pytest.mark.parametrize(
    ("dns", "text"),
    [
        ((), "search .\noptions timeout:1 attempts:2\nnameserver 10.77.0.1\n"),
        (
            ("10.0.3.3",),
            "search .\noptions timeout:1 attempts:2\nnameserver 10.77.0.1\nnameserver 10.0.3.3\n",
        ),
    ],
)
def test_the_events_resolver_is_asked_first(dns: tuple[str, ...], text: str) -> None:
    assert make_resolv_conf(guest_network(dns), event_network(CARD)) == text


def test_a_server_in_an_event_is_for_the_hub_only() -> None:
    seed = parse_seed(make_seed(card=CARD))
    server = own_server(seed)
    assert server is not None
    assert server.env["JUPYTERHUB_SERVICE_URL"] == "http://10.0.2.15:8888/user/ada/"
    assert {**server.env, "JUPYTERHUB_SERVICE_URL": ""} == {**ENV, "JUPYTERHUB_SERVICE_URL": ""}
    alone = replace(seed, event=None)
    assert own_server(alone) == alone.server
    for env in ({"JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:1/"}, {}):
        elsewhere = replace(seed, server=replace(server, env=env))
        assert own_server(elsewhere) == elsewhere.server
    assert own_server(replace(seed, server=None)) is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://10.0.2.15:8888/user/ada/", "10.0.2.15"),
        ("http://0.0.0.0:8888/user/ada/", "0.0.0.0"),
        ("", "0.0.0.0"),
    ],
)
def test_where_a_requested_server_listens(url: str, address: str) -> None:
    assert ServerRequest({"JUPYTERHUB_SERVICE_URL": url}, ()).address == address


@given(st.text())
def test_hosts_has_the_name_once(text: str) -> None:
    hosts = make_hosts(text, "desk-ada").splitlines()
    assert [line for line in hosts if line.split()[:1] == ["127.0.1.1"]] == ["127.0.1.1\tdesk-ada"]
    assert any(line.split()[:1] == ["127.0.0.1"] for line in hosts)


@given(st.text())
def test_in_an_event_the_names_lead_to_its_address(text: str) -> None:
    event = event_network(CARD)
    once = make_hosts(text, "desk-t01", event)
    own = [line.split("#")[0].split() for line in once.splitlines() if "desk-t01" in line]
    assert own[-1] == ["10.77.1.1", "desk-t01", "desk"]
    assert not [line for line in once.splitlines() if line.split()[:1] == ["127.0.1.1"]]
    assert make_hosts(once, "desk-t01", event) == once
    assert make_hosts(once, "desk-ada") == make_hosts(text, "desk-ada")


def test_the_topmost_mount_counts() -> None:
    text = (
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "30 22 254:16 / /home/trainee rw shared:1 - ext4 /dev/vdb rw\n"
        "31 30 0:40 / /home/trainee rw - nfs server:/x rw\n"
    )
    assert find_mounted(text, "/home/trainee") == "server:/x"
    assert find_mounted(text, "/home") is None


def test_the_port_is_found_by_its_name(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    assert find_port(system) is None
    for device, name in (("vport1p1", "org.qemu.guest_agent.0"), ("vport1p2", "org.vmlab.agent")):
        folder = system.root / "sys/class/virtio-ports" / device
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
    assert find_port(system) is None, "the kernel has not made the device yet"
    (system.root / "dev/vport1p2").write_text("")
    assert find_port(system) == system.root / "dev/vport1p2"


def test_a_disk_is_found_by_its_serial_number(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    name = "/dev/disk/by-id/virtio-home"
    assert find_device(system, name) is None
    system.add_disk("vda", "root")
    system.add_disk("vdb", "home")
    assert find_device(system, name) == system.root / "dev/vdb"
    assert find_device(system, "/dev/vda") == system.root / "dev/vda"
    (system.root / "dev/vdb").unlink()
    assert find_device(system, name) is None, "the kernel has not made the device yet"
