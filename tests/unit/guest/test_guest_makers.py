"""Pure parts: environment file, `ip` batch, hosts, server state, port, mountinfo."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from vmlab_guest.agent import find_port
from vmlab_guest.identity import make_hosts
from vmlab_guest.mounts import find_mounted
from vmlab_guest.network import find_card, make_ip_batch, parse_addresses
from vmlab_guest.seed import Network
from vmlab_guest.server import ServerState, make_command, make_environment_file, parse_state

NETWORK = Network(IPv4Interface("10.0.2.15/24"), IPv4Address("10.0.2.2"), ())
LINE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\n\r").filter(
        lambda c: c == "\t" or (ord(c) >= 32 and c != "\x7f")
    )
)


def read_as_systemd(text: str) -> dict[str, str]:
    """Read an environment file as systemd 257 does inside double quotes (parse_env_file)."""
    values = {}
    for line in text.split("\n")[:-1]:
        name, _, quoted = line.partition("=")
        assert quoted[0] == quoted[-1] == '"'
        value, rest = "", list(quoted[1:-1])
        while rest:
            char = rest.pop(0)
            if char == "\\" and rest:
                after = rest.pop(0)
                value += after if after in '"\\`$' else char + after
            else:
                assert char != '"'
                value += char
        values[name] = value
    return values


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), LINE))
def test_environment_file_gives_the_same_values_back(env: dict[str, str]) -> None:
    assert read_as_systemd(make_environment_file(env)) == env


@given(st.lists(LINE))
def test_command_gives_the_same_arguments_back(args: list[str]) -> None:
    words = shlex.split(make_command(args))
    assert words == ["exec", "/opt/vmlab/bin/jupyterhub-singleuser", *args]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ActiveState=active\nJob=0\n", ServerState.RUNNING),
        ("ActiveState=active\n", ServerState.RUNNING),
        ("ActiveState=inactive\nJob=12\n", ServerState.STARTING),
        ("ActiveState=activating\nJob=0\n", ServerState.STARTING),
        ("ActiveState=failed\nJob=0\n", ServerState.FAILED),
        ("ActiveState=inactive\nJob=0\n", ServerState.STOPPED),
        ("", ServerState.STOPPED),
    ],
)
def test_state(text: str, state: ServerState) -> None:
    assert parse_state(text) is state


def test_ip_batch() -> None:
    assert make_ip_batch("ens3", NETWORK, ["10.9.9.9/8", "10.0.2.15/24"]) == (
        "link set lo up\n"
        "addr del 10.9.9.9/8 dev ens3\n"
        "addr replace 10.0.2.15/24 dev ens3\n"
        "link set ens3 up\n"
        "route replace default via 10.0.2.2 dev ens3\n"
    )


def test_addresses_of_ip() -> None:
    text = (
        "2: ens3    inet 10.0.2.15/24 brd 10.0.2.255 scope global ens3\\       valid_lft forever\n"
    )
    assert parse_addresses(text) == ("10.0.2.15/24",)
    assert parse_addresses("") == ()


def test_the_first_real_card_counts(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    classes = system.root / "sys/class/net"
    assert find_card(classes) is None
    system.add_card("docker0", 2, real=False)
    system.add_card("ens9", 9)
    system.add_card("ens3", 3)
    assert find_card(classes) == "ens3"


@given(st.text())
def test_hosts_has_the_name_once(text: str) -> None:
    hosts = make_hosts(text, "desk-ada").splitlines()
    assert [line for line in hosts if line.split()[:1] == ["127.0.1.1"]] == ["127.0.1.1\tdesk-ada"]
    assert any(line.split()[:1] == ["127.0.0.1"] for line in hosts)


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
