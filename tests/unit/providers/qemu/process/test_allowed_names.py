"""Which names a machine may reach, and the rules that say so."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vmlab.providers.qemu.process.allowed import (
    choose_open,
    is_allowed,
    make_gate,
    make_opening,
)

ALLOWED = ("pypi.org", "*.debian.org")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("pypi.org", True),
        ("files.pypi.org", False),
        ("pypi.org.evil.example", False),
        ("evilpypi.org", False),
        ("deb.debian.org", True),
        ("a.b.debian.org", True),
        ("debian.org", False),
        ("evildebian.org", False),
        ("debian.org.evil.example", False),
        ("", False),
        ("*.debian.org", True),  # a name that nobody has
    ],
)
def test_names_and_names_below_them(name, may):
    assert is_allowed(name, ALLOWED) is may
    assert not is_allowed(name, ())


def test_only_addresses_of_the_internet_are_opened():
    """Whoever owns an allowed name decides where it leads."""
    never = [
        "10.0.3.3", "10.0.3.2", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1",
        "100.64.0.1", "0.0.0.0", "224.0.0.251", "239.1.2.3", "255.255.255.255", "198.18.0.1",
    ]  # fmt: skip
    asked = map(IPv4Address, [*never, "9.9.9.9"])
    assert choose_open(asked) == (IPv4Address("9.9.9.9"),)


def test_nothing_leaves_before_a_name_was_asked_for():
    rules = make_gate(IPv4Address("10.0.3.3"))
    assert "type filter hook output priority 0; policy drop;" in rules
    verdicts = [line.strip() for line in rules.splitlines() if line.endswith("accept")]
    assert verdicts == [
        'oifname "lo" accept',
        "meta mark 0x766d ip daddr 10.0.3.3 udp dport 53 accept",
        "ip daddr @allowed accept",
        "ct state established accept",
    ]
    assert rules.rstrip().splitlines()[-3].strip() == "reject with icmpx type admin-prohibited"


@given(some.lists(some.ip_addresses(v=4), min_size=1, max_size=16, unique=True))
def test_an_address_is_opened_for_a_time_whether_it_was_open_or_not(addresses):
    first, second, third = make_opening(addresses, seconds=7).splitlines()
    assert first == third
    assert first.startswith("add element inet gate allowed { ")
    assert second.startswith("delete element inet gate allowed { ")
    assert re.findall(r"([0-9.]+) timeout 7s", first) == [str(each) for each in addresses]
