"""A host name means one of one's own machines, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.groups.rules import GroupRules
from vmlab.lab.machines import NodeChoice
from vmlab.names import machine_name, node_name
from vmlab.ssh.targets import find_machine, own_machines

RULES = GroupRules(nodes=(NodeChoice("node1"), NodeChoice("node2")), server_machine="server-lab")


def test_one_s_own_desk_is_found():
    assert find_machine(RULES, "ada", "desk") == machine_name("ada")
    assert find_machine(RULES, "ada", "DESK.") == machine_name("ada")


def test_one_s_own_nodes_are_found():
    assert find_machine(RULES, "ada", "node1") == node_name(machine_name("ada"), "node1")
    assert find_machine(GroupRules(), "ada", "node1") == ""


@pytest.mark.parametrize(
    "host",
    ["", "desk2", "127.0.0.1", "desk-bob", "../desk", "desk desk", "node3", "node1.t02", "server",
     "server-lab"],
)  # fmt: skip
def test_nothing_else_is(host):
    assert find_machine(RULES, "ada", host) == ""


@given(st.text(max_size=40), st.text(max_size=80) | st.sampled_from(["node1", "desk"]))
def test_whatever_is_asked_for_is_one_s_own(user, host):
    assert find_machine(RULES, user, host) in {"", *own_machines(RULES, user).values()}
