"""What the doctor concludes, for hosts that nobody has at hand."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from vmlab.cli.findings import address_finding, descriptors_finding, ssh_finding
from vmlab.lab.lab import parse_lab
from vmlab.providers.facts import Level
from vmlab.providers.qemu.examination import (
    accelerator_finding,
    limits_finding,
    network_finding,
    range_finding,
    userns_finding,
)
from vmlab.providers.qemu.network.probe import Verdict
from vmlab.providers.qemu.process.confine import Confinement

FILE = Path("/labs/lab.toml")


def test_emulation_is_a_warning_that_tells_why() -> None:
    finding = accelerator_finding("tcg", "there is no /dev/kvm")
    assert (finding.level, finding.found) == (Level.WARN, "there is no /dev/kvm")
    assert accelerator_finding("kvm", "").level is Level.OK
    closed = accelerator_finding("tcg", "software emulation, because /dev/kvm may not be opened")
    assert "adduser" in closed.advice


@pytest.mark.parametrize("is_root", [True, False])
def test_without_namespaces_no_machine_can_run(is_root: bool) -> None:
    finding = userns_finding("unshare failed: Operation not permitted", is_root=is_root)
    assert finding.level is Level.FAIL
    assert finding.advice
    assert userns_finding("", is_root=is_root).level is Level.OK


def test_limits() -> None:
    assert limits_finding(Confinement.RLIMITS).level is Level.WARN
    assert limits_finding(Confinement.SYSTEMD).level is Level.OK


def test_networks_of_machines_are_told_with_their_way_and_their_cost():
    tap = network_finding(Verdict("tap", 18), is_root=True)
    assert tap.level is Level.OK
    assert "18 MiB" in tap.found
    cable = network_finding(Verdict("dgram", 19), is_root=False)
    assert cable.level is Level.WARN
    assert "a user namespace" in cable.found
    assert "chmod 666 /dev/net/tun" in cable.advice
    none = network_finding(Verdict(problem="nft is not installed"), is_root=False)
    assert none.level is Level.WARN
    assert "nft is not installed" in none.found
    assert "nftables" in none.advice


def test_a_range_that_is_the_hosts_too_is_told_of_and_does_no_harm() -> None:
    event = IPv4Network("10.77.0.0/16")
    free = range_finding(event, [IPv4Network("10.78.0.0/16"), IPv4Network("192.168.1.0/24")])
    assert (free.level, free.found) == (Level.OK, "10.77.0.0/16, which this host does not use")
    shared = range_finding(event, [IPv4Network("10.77.3.0/24"), IPv4Network("9.9.9.0/24")])
    assert shared.level is Level.WARN
    assert "10.77.0.0/16 overlaps 10.77.3.0/24, a network of this host" in shared.found
    assert "[network] addresses" in shared.advice


def test_descriptors_for_every_machine_of_the_lab() -> None:
    assert descriptors_finding(524_288, 100, "a hub").level is Level.OK
    short = descriptors_finding(1024, 20, "the hub that runs")
    assert short.level is Level.WARN
    assert "1024 for the hub that runs" in short.found
    assert "ulimit -Hn" in short.advice


@pytest.mark.parametrize(
    ("hub", "level", "found"),
    [
        ('address = "127.0.0.1"', Level.OK, "http://vmlab.localhost:8000/, from this host only"),
        ('address = "::1"', Level.OK, "from this host only"),
        (
            'url = "https://lab.example.org"',
            Level.WARN,
            "all browsers seem to come from one address",
        ),
        (
            'url = "https://lab.example.org"\nfront = ["10.0.0.1"]',
            Level.OK,
            "https://lab.example.org/, by TLS",
        ),
        (
            'url = "https://lab.example.org"\ncertificate = "c.pem"\nkey = "k.pem"',
            Level.OK,
            "https://lab.example.org/, by TLS",
        ),
        ("one_origin = true", Level.WARN, "share one name"),
        (
            'address = "0.0.0.0"\none_origin = true',
            Level.WARN,
            "can act as the person who opens it",
        ),
        ('url = "http://lab.example.org"', Level.WARN, "can read passwords"),
        ('url = "http://lab.localhost:8000"', Level.OK, "from this host only"),
        ('address = "0.0.0.0"\nurl = "http://lab.example.org"', Level.WARN, "has no encryption"),
        ('url = "https://lab.example.org"\none_origin = true', Level.WARN, "share one name"),
    ],
)
def test_who_can_reach_the_hub(hub: str, level: Level, found: str) -> None:
    finding = address_finding(parse_lab(f"[hub]\n{hub}", FILE))
    assert finding.level is level
    assert found in finding.found


def test_how_many_ssh_connections_there_may_be() -> None:
    enough = ssh_finding(524_288, 2222)
    assert enough.level is Level.OK
    assert "512 connections at the hub's address and port 2222, 20 for each account" in enough.found
    few = ssh_finding(1024, 0)
    assert few.level is Level.WARN
    assert "256 connections at the hub's address, 20" in few.found
    assert "512 need 1792 open files, and the limit is 1024" in few.advice


def test_a_state_folder_that_is_too_deep_for_ssh_is_told() -> None:
    deep = ssh_finding(524_288, 0, "/x/jump.sock is too long for a unix socket")
    assert deep.level is Level.FAIL
    assert "VMLAB_STATE" in deep.advice
