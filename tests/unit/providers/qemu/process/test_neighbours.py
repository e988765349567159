"""What is near a host, from what ip(8) tells."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from vmlab.providers.qemu.process.neighbours import own_networks, unreachable_networks

NOTHING: list[dict] = []


def is_near(address: str, addresses=NOTHING, routes=NOTHING) -> bool:
    networks = [ip_network(each) for each in unreachable_networks(addresses, routes)]
    return any(ip_address(address) in network for network in networks)


def link(local: str, bits: int, **more: str) -> list[dict]:
    return [{}, {"ifname": "eth0", "addr_info": [{"local": local, "prefixlen": bits, **more}]}]


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1",
        "0.0.0.0", "192.0.0.8", "198.18.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255",
    ],
)  # fmt: skip
def test_what_is_no_internet_anywhere(address):
    assert is_near(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "203.0.113.9", "100.128.0.1", "172.32.0.1"])
def test_the_internet_is_not_near(address):
    assert not is_near(address)


def test_an_address_and_its_subnet():
    assert is_near("203.0.113.5", link("203.0.113.5", 24))
    assert is_near("203.0.113.200", link("203.0.113.5", 24))
    assert not is_near("203.0.114.1", link("203.0.113.5", 24))


def test_an_address_alone_in_its_subnet():
    assert is_near("203.0.113.5", link("203.0.113.5", 32))
    assert not is_near("203.0.113.6", link("203.0.113.5", 32))


def test_the_other_end_of_a_line():
    ends = link("203.0.113.5", 32, address="198.51.100.9")
    assert is_near("203.0.113.5", ends)
    assert is_near("198.51.100.9", ends)


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "203.0.113.0/24", "dev": "eth0", "scope": "link"},
        {"dst": "203.0.113.9", "dev": "eth0", "table": "100"},
        {"type": "local", "dst": "203.0.113.9", "dev": "lo", "table": "local"},
        {"dst": "default", "gateway": "203.0.113.9", "dev": "eth0", "flags": ["onlink"]},
        {"dst": "default", "nexthops": [{"gateway": "203.0.113.9", "dev": "eth0"}]},
    ],
)
def test_what_a_route_finds_without_a_router_and_the_router_itself(route):
    assert is_near("203.0.113.9", routes=[route])
    assert not is_near("9.9.9.9", routes=[route])


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "203.0.113.0/24", "gateway": "198.51.100.1", "dev": "eth0"},
        {"dst": "203.0.113.0/24", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0"},
        {"dst": "203.0.113.0/24", "nexthops": [{"gateway": "198.51.100.1"}]},
        {"dst": "default", "dev": "tun0", "scope": "link"},
        {"dst": "128.0.0.0/1", "dev": "tun0", "scope": "link"},
    ],
)
def test_what_lies_behind_a_router_or_a_tunnel_is_the_internet(route):
    assert not is_near("203.0.113.9", routes=[route])


def test_no_network_is_named_twice():
    found = unreachable_networks(link("10.0.3.1", 24), [{"dst": "10.0.3.0/24", "dev": "lxcbr0"}])
    assert "10.0.0.0/8" in found
    assert not [each for each in found if each.startswith("10.0.3.")], "slirp4netns has that one"


def test_what_the_host_itself_is_in():
    loopback = [{"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]}]
    routes = [
        {"dst": "default", "gateway": "10.77.3.1", "dev": "eth0"},
        {"dst": "172.17.0.0/16", "dev": "docker0"},
        {"dst": "10.99.0.0/16", "gateway": "10.77.3.7", "dev": "eth0"},
        {"dst": "224.0.0.0/4", "dev": "eth0"},
    ]
    found = own_networks([*loopback, *link("10.77.3.5", 24)], routes)
    assert [str(each) for each in found] == ["10.77.3.0/24", "172.17.0.0/16"]
