"""A trainee's machines as pages show them."""

from __future__ import annotations

from pathlib import Path

from fakes.looked_at import LookedAt
from vmlab.groups.listing import GroupMachine, list_all_machines, list_machines
from vmlab.groups.numbers import ensure_number
from vmlab.groups.rules import GroupRules, group_rules
from vmlab.lab.lab import parse_lab
from vmlab.model import MachineRole, MachineState, MachineStatus
from vmlab.names import event_server_name, machine_name, node_name

DESK = machine_name("ada")
NODE = node_name(DESK, "node")
SERVER = event_server_name("lab")


class Provider(LookedAt):
    """Tells states, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def status(self, names=None):
        self.asked += 1
        found = {
            DESK: MachineStatus(DESK, MachineState.RUNNING, since=5.0),
            NODE: MachineStatus(NODE, MachineState.STOPPED, problem="a panic"),
        }
        return {
            name: found.get(name, MachineStatus(name, MachineState.ABSENT)) for name in names or ()
        }


def rules_of(folder: Path, text: str) -> GroupRules:
    return group_rules(parse_lab(text, folder / "lab.toml"))


async def test_every_machine_has_state_names_and_address(tmp_path):
    rules, database = rules_of(tmp_path, "[[node]]\n[server]"), tmp_path / "vmlab.sqlite"
    await ensure_number(database, rules, "trainee03")
    await ensure_number(database, rules, "ada")
    listed = await list_machines(Provider(), rules, database, "ada", DESK)
    assert listed == (
        GroupMachine(
            "desk", DESK, MachineRole.DESK, MachineState.RUNNING,
            "10.77.9.1", ("desk-t09",), ("desk",), since=5.0,
        ),
        GroupMachine(
            "node", NODE, MachineRole.NODE, MachineState.STOPPED,
            "10.77.9.2", ("node.t09",), ("node",), problem="a panic",
        ),
        GroupMachine(
            "server", SERVER, MachineRole.SERVER, MachineState.ABSENT, "10.77.0.2", ("server",)
        ),
    )  # fmt: skip


async def test_who_never_started_has_no_address_yet(tmp_path):
    rules = rules_of(tmp_path, "[[node]]\n[server]")
    listed = await list_machines(Provider(), rules, tmp_path / "vmlab.sqlite", "ada", DESK)
    assert [machine.address for machine in listed] == ["", "", "10.77.0.2"]
    assert [machine.names for machine in listed] == [(), (), ("server",)]


async def test_without_a_network_there_is_the_desk(tmp_path):
    rules = rules_of(tmp_path, "")
    listed = await list_machines(Provider(), rules, tmp_path / "gone" / "vmlab", "ada", DESK)
    assert listed == (
        GroupMachine("desk", DESK, MachineRole.DESK, MachineState.RUNNING, since=5.0),
    )


async def test_a_whole_class_is_one_question(tmp_path):
    provider, rules = Provider(), rules_of(tmp_path, "[[node]]")
    desks = {name: machine_name(name) for name in ("ada", "bob", "eve")}
    found = await list_all_machines(provider, rules, tmp_path / "vmlab.sqlite", desks)
    assert {user: len(machines) for user, machines in found.items()} == dict.fromkeys(desks, 2)
    assert provider.asked == 1
