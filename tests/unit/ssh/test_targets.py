"""A host name means one of one's own machines, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.groups.rules import GroupRules
from vmlab.lab.machines import NodeChoice
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name, node_name
from vmlab.ssh.targets import belongs, find_machine, own_machines, server_hosts

RULES = GroupRules(nodes=(NodeChoice("node1"), NodeChoice("node2")), server_machine="server-lab")


def running(owners: dict[str, str]) -> dict[str, MachineStatus]:
    """The state of machines that run, from their names and owners."""
    return {
        name: MachineStatus(name, MachineState.RUNNING, owner=owner)
        for name, owner in owners.items()
    }


GPU = machine_name("ada", "gpu")
ALL = running(
    {
        machine_name("ada"): "ada",
        node_name(machine_name("ada"), "node1"): "ada",
        GPU: "ada",
        machine_name("bob"): "bob",
        machine_name("bob", "gpu2"): "bob",
        "server-lab": "",
    }
)


def test_one_s_own_desk_is_found():
    assert find_machine(RULES, "ada", "desk", ALL) == machine_name("ada")
    assert find_machine(RULES, "ada", "DESK.", ALL) == machine_name("ada")
    assert find_machine(RULES, "zoe", "desk", ALL) == machine_name("zoe"), "not there yet"


def test_one_s_own_nodes_are_found():
    assert find_machine(RULES, "ada", "node1", ALL) == node_name(machine_name("ada"), "node1")
    assert find_machine(GroupRules(), "ada", "node1", ALL) == ""


def test_one_s_own_named_servers_are_found():
    assert find_machine(RULES, "ada", "gpu", ALL) == GPU
    assert find_machine(RULES, "bob", "gpu", ALL) == ""
    assert find_machine(RULES, "ada", "gpu2", ALL) == ""
    assert find_machine(RULES, "ada", "gpu", {}) == "", "it has never run"


@pytest.mark.attack("ssh.own-machines", "asks for machines by all sorts of names")
@pytest.mark.parametrize(
    "host",
    ["", ".", "desk2", "127.0.0.1", "desk-bob", "../desk", "desk desk", "node3", "node1.t02",
     "server", "server-lab", machine_name("bob"), machine_name("ada")],
)  # fmt: skip
def test_nothing_else_is(host):
    assert find_machine(RULES, "ada", host, ALL) == ""


def test_who_was_renamed_finds_the_machine_that_they_kept():
    kept = machine_name("old")
    statuses = running({kept: "ada", node_name(kept, "node1"): "ada"})
    assert find_machine(RULES, "ada", "desk", statuses) == kept
    assert find_machine(RULES, "ada", "node1", statuses) == node_name(kept, "node1")
    assert not belongs(statuses[kept], "old"), "whoever has the name now"
    newer = statuses | running({machine_name("ada"): "ada"})
    assert find_machine(RULES, "ada", "desk", newer) == machine_name("ada")


def test_a_named_server_s_machine_does_not_pass_for_the_desk():
    assert own_machines(RULES, "ada", running({GPU: "ada"}))["desk"] == machine_name("ada")


def test_a_machine_of_nobody_belongs_to_nobody():
    assert not belongs(MachineStatus("desk-x-0", MachineState.RUNNING), "")
    assert not belongs(MachineStatus("desk-x-0", MachineState.ABSENT, owner="ada"), "ada")


def test_named_servers_have_host_names_that_ssh_and_settings_take():
    names = ["gpu", "GPU", "node1", "desk", "vmlab-hub", "a b", "-x", "x" * 64, "my.server"]
    assert list(server_hosts(RULES, names)) == ["gpu", "my.server"]


@given(st.text(max_size=40), st.text(max_size=80) | st.sampled_from(["node1", "desk", "gpu"]))
def test_whatever_is_asked_for_is_one_s_own(user, host):
    found = find_machine(RULES, user, host, ALL)
    own = {*own_machines(RULES, user, ALL).values()}
    assert found in {"", *own} or belongs(ALL[found], user)
