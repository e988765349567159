"""A trainee's group: which machines, names, cards and volumes, and that they stay."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.groups.facts import layers_of
from vmlab.groups.plan import make_group, make_server, trainee_label
from vmlab.groups.rules import GroupRules, group_rules
from vmlab.lab.lab import parse_lab
from vmlab.lab.machines import Readiness
from vmlab.model import Card, MachineRole, MachineSpec, VolumeSpec
from vmlab.names import event_name, event_server_name, machine_name, node_name

FARM = """
[lab]
name = "farm"
[machine]
after = ["builder"]
[[node]]
name = "digitiser"
count = 2
volume = "2G"
after = ["server"]
[[node]]
name = "builder"
memory = "1G"
after = ["digitiser"]
ready = { port = 9000 }
[server]
volume = "10G"
"""
LABEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")


def rules_of(text: str = FARM) -> GroupRules:
    return group_rules(parse_lab(text, Path("/lab.toml")))


def desk_of(user: str) -> MachineSpec:
    name = machine_name(user)
    return MachineSpec(name, user, "desk", 512, 1, internet=True, volume=VolumeSpec("home", 64))


def test_a_lab_of_desks_is_as_it_was() -> None:
    desk = desk_of("ada")
    (only,) = make_group(rules_of(""), desk, 0).members
    assert only.spec == desk
    assert (only.label, only.after, only.ready) == ("desk", (), None)
    assert make_server(rules_of("")) is None


def test_a_group_has_all_that_the_lab_says() -> None:
    rules = rules_of()
    group = make_group(rules, desk_of("ada"), 7)
    assert [member.label for member in group.members] == [
        "desk", "digitiser1", "digitiser2", "builder", "server"
    ]  # fmt: skip
    roles = [member.spec.role for member in group.members]
    assert roles == [MachineRole.DESK, *[MachineRole.NODE] * 3, MachineRole.SERVER]
    first = group.members[1].spec
    assert first.name == node_name(machine_name("ada"), "digitiser1")
    assert first.volume == VolumeSpec(first.name, 2048)
    assert (first.owner, first.host_name) == ("ada", "digitiser1.t07")
    assert rules.network is not None
    assert first.card == Card(
        rules.network,
        "02:00:0a:4d:07:02",
        IPv4Interface("10.77.7.2/16"),
        "t07",
        ("digitiser1.t07",),
        ("digitiser1",),
    )
    builder = group.get("builder")
    assert (builder.spec.memory_mib, builder.ready) == (1024, Readiness(port=9000))
    assert group.desk.spec.card is not None
    assert (group.desk.spec.card.names, group.desk.spec.host_name) == (("desk-t07",), "desk-t07")
    assert group.desk.spec.internet
    assert len(group.own) == 4


def test_the_server_is_the_events_and_nobodys() -> None:
    server = make_group(rules_of(), desk_of("ada"), 7).server
    assert server == make_server(rules_of())
    assert server is not None
    name = event_server_name("farm")
    assert (server.spec.name, server.spec.owner, server.is_shared) == (name, "", True)
    assert server.spec.volume == VolumeSpec(name, 10240, "/srv")
    assert server.spec.card is not None
    card = server.spec.card
    assert (str(card.address), card.trainee, card.names) == ("10.77.0.2/16", "", ("server",))
    assert card.network.name == event_name("farm")


def test_the_start_order_is_in_layers() -> None:
    assert rules_of().layers == (("server",), ("digitiser1", "digitiser2"), ("builder",), ("desk",))
    assert rules_of("[[node]]\ncount = 2").layers == (("desk", "node1", "node2"),)
    assert rules_of("").layers == (("desk",),)


@given(st.dictionaries(st.sampled_from("abcdef"), st.just(()), min_size=1))
def test_layers_hold_every_machine_once(after) -> None:
    assert layers_of(after) == (tuple(sorted(after)),)


def test_names_stay_as_they_are() -> None:
    # Machines, volumes and networks are found again by these names.
    assert node_name(machine_name("Ada Lovelace"), "node1") == "node1-ada-lovelace-a1f74eda4429"
    assert event_name("farm") == "event-farm-7e9fc248dd30"
    assert event_server_name("farm") == "server-farm-7e9fc248dd30"
    assert [trainee_label(number) for number in (1, 10, 100)] == ["t01", "t10", "t100"]


nodes = st.from_regex(r"[a-z][a-z0-9]{0,13}", fullmatch=True)
any_text = st.text(max_size=60)


@given(any_text, nodes, any_text, nodes)
def test_different_machines_have_different_names(user, node, other_user, other) -> None:
    name = node_name(machine_name(user), node)
    assert LABEL.fullmatch(name)
    assert len(name) <= 40
    same = (user, node) == (other_user, other)
    assert (name == node_name(machine_name(other_user), other)) is same


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 12), st.integers(0, 12))
def test_no_two_machines_have_the_same_card_and_added_ones_change_none(
    number, other, count, more
) -> None:
    def cards(nodes: int, number: int) -> list[Card]:
        rules = rules_of(f"[[node]]\ncount = {nodes}\n[server]")
        group = make_group(rules, desk_of(f"user{number}"), number)
        return [member.spec.card for member in group.members if member.spec.card]

    mine, others = cards(count, number), cards(count, other)
    together = {*mine, *others}
    expected = len(mine) if number == other else 2 * len(mine) - 1  # the server's is one
    for what in ("mac", "address"):
        assert len({getattr(card, what) for card in together}) == expected
    later = cards(count + more, number)
    assert [card.address for card in later[: count + 1]] == [c.address for c in mine[: count + 1]]


def test_a_number_outside_of_the_network_is_a_bug() -> None:
    with pytest.raises(ValueError, match="has no machine"):
        make_group(rules_of(), desk_of("ada"), 257)
