"""What the agent asks of the kernel itself: real file systems, a real network namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, is_in_order

NETWORK = """
import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from vmlab_guest.rtnetlink import Rtnetlink
import subprocess
run = lambda *words: subprocess.run(words, check=True, capture_output=True, text=True).stdout
run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
run("ip", "addr", "add", "192.168.7.7/24", "dev", "eth9")
index = json.loads(
    run("ip", "-j", "link", "show", "eth9"))[0]["ifindex"]
wanted = IPv4Interface("10.0.2.15/24")
with Rtnetlink() as kernel:
    for _ in range(2):  # what is right already is not a mistake
        for old in kernel.list_addresses(index):
            if old != wanted:
                kernel.delete_address(index, old)
        kernel.add_address(index, wanted)
        kernel.set_up(index)
        kernel.set_route(index, IPv4Network("0.0.0.0/0"), IPv4Address("10.0.2.2"))
        kernel.set_route(index, IPv4Network("224.0.0.0/4"))
    found = [str(a) for a in kernel.list_addresses(index)]
    try:
        kernel.set_up(9999)
        error = ""
    except OSError as caught:
        error = str(caught)
route = json.loads(run("ip", "-j", "route", "show", "default"))
multicast = run("ip", "route", "show", "224.0.0.0/4")
print(json.dumps({"found": found, "route": route, "multicast": multicast, "error": error}))
"""


def run_in_namespace(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_card_gets_exactly_this_address_and_route() -> None:
    done = run_in_namespace(NETWORK)
    if "unshare" in done.stderr:
        pytest.skip(f"this host lets nobody make a network namespace: {done.stderr}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == ["10.0.2.15/24"]
    (route,) = told["route"]
    assert (route["gateway"], route["dev"]) == ("10.0.2.2", "eth9")
    assert told["multicast"].split()[:5] == ["224.0.0.0/4", "dev", "eth9", "proto", "static"]
    assert "No such device" in told["error"]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", path, "16M"], check=True, env=with_sbin())
    return path


def with_sbin() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def read(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(SUPERBLOCK_OFFSET)
        return stream.read(SUPERBLOCK_BYTES)


def test_a_fresh_file_system_is_in_order(disk: Path) -> None:
    assert is_in_order(read(disk))


@pytest.mark.parametrize(
    "damage",
    [
        "ssv state 0",  # mounted, and cut off
        "ssv state 3",  # the kernel found an error
        "feature needs_recovery",
        "ssv last_orphan 12",
    ],
)
def test_whatever_needs_a_check_is_not_in_order(disk: Path, damage: str) -> None:
    subprocess.run(
        ["debugfs", "-w", "-R", damage, disk], check=True, capture_output=True, env=with_sbin()
    )
    assert not is_in_order(read(disk))
    done = subprocess.run(["e2fsck", "-p", disk], check=False, capture_output=True, env=with_sbin())
    assert done.returncode in {0, 1}
    assert is_in_order(read(disk))


@pytest.mark.parametrize("content", [b"", bytes(4096), b"\xff" * 4096])
def test_what_is_no_file_system_is_not_in_order(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "disk"
    path.write_bytes(content)
    assert not is_in_order(read(path))
