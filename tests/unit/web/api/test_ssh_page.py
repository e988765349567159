"""The words of the lines to paste."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vmlab.groups.rules import GroupRules
from vmlab.lab.hub_address import HubAddress
from vmlab.lab.machines import NodeChoice
from vmlab.names import machine_name, node_name
from vmlab.ssh.program import make_settings
from vmlab.web.api.ssh_page import HostKeys, SshAddress, find_hosts, port_words, setup_words

DESK = machine_name("ada")
HUB, AUTHORITY = f"ssh-ed25519 {'A' * 68}", f"ssh-ed25519 {'B' * 68}"
KEYS = HostKeys(HUB, AUTHORITY, {"desk": DESK, "node1": node_name(DESK, "node1")})


def test_the_words_are_what_the_program_takes():
    words = setup_words("https://lab.example.org/hub/", "ada", KEYS)
    assert words[:3] == ["setup", "https://lab.example.org/hub/ssh", "ada"]
    config, known = make_settings(words[1], words[2], words[3:], "program")
    assert "connect https://lab.example.org/hub/ssh" in config
    assert known.splitlines() == KEYS.lines
    assert f"Host node1\n    HostKeyAlias {node_name(DESK, 'node1')}\n" in config


def account(**servers: dict) -> SimpleNamespace:
    """An account of the hub's database, with what its spawners have kept."""
    spawners = {name.strip("_"): SimpleNamespace(state=state) for name, state in servers.items()}
    return SimpleNamespace(name="ada", orm_spawners=spawners)


def test_all_machines_of_an_account_have_host_names_before_they_exist():
    rules = GroupRules(nodes=(NodeChoice("node1"),))
    assert find_hosts(rules, account()) == KEYS.machines
    found = find_hosts(rules, account(_={}, gpu={}, node1={}))
    assert found == {**KEYS.machines, "gpu": machine_name("ada", "gpu")}


def test_who_was_renamed_is_shown_the_machine_that_they_kept():
    kept = machine_name("old")
    found = find_hosts(GroupRules(), account(_={"vmlab": {"machine": kept}}))
    assert found == {"desk": kept}


@pytest.mark.parametrize(
    ("hub", "host"),
    [
        (HubAddress(), "vmlab.localhost"),
        (HubAddress(public="https://lab.example.org"), "lab.example.org"),
        (HubAddress(address="2001:db8::1", one_origin=True), "[2001:db8::1]"),
    ],
)
def test_a_port_is_at_the_hub_s_own_name(hub, host):
    words = port_words(SshAddress(hub.url, hub.name, 2222), "ada", KEYS)
    assert words[1] == f"ssh://{host}:2222"
    config, _ = make_settings(words[1], words[2], words[3:], "program")
    assert f"HostName {host.strip('[]')}\n    Port 2222\n" in config


def test_without_a_port_there_are_none():
    assert port_words(SshAddress("https://x/", "x", 0), "ada", KEYS) == []
