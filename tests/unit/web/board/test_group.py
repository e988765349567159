"""A trainee's machines, from facts: the trainee's own list, and what the board tells of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

import pytest

from vmlab.model import (
    Card,
    MachineRole,
    MachineState,
    MachineStatus,
    Meeting,
    NetworkSpec,
    NetworkStatus,
)
from vmlab.web.board import (
    BoardFacts,
    GroupFacts,
    GroupMachine,
    GroupRights,
    Person,
    Seat,
    make_board,
    make_group,
)
from vmlab_protocol.notices import Notice

NETWORK = NetworkSpec("event", IPv4Network("10.77.0.0/16"), Meeting.OWN)
FAILED = Notice("It did not start.", "Elle n'a pas démarré.")
ON = Seat("", "desk-ada", url="/user/ada/")
OFF = Seat("", "desk-ada")


def card(number: int, *names: str, own: str = "") -> Card:
    address = IPv4Interface(f"10.77.1.{number}/16")
    return Card(NETWORK, f"02:00:0a:4d:01:{number:02x}", address, "ada", names, (own,) * bool(own))


DESK = GroupMachine("desk-ada", "desk", MachineRole.DESK, card(1, "desk-ada", own="desk"))
NODE = GroupMachine("node1-ada", "node1", MachineRole.NODE, card(2, "node1.ada", own="node1"))
SERVER = GroupMachine("server-event", "server", MachineRole.SERVER, card(9, "server"))
GROUP = (DESK, NODE, SERVER)


def running(*machines: GroupMachine, **more: Any) -> dict[str, MachineStatus]:
    return {m.machine: MachineStatus(m.machine, MachineState.RUNNING, **more) for m in machines}


def group(rights: GroupRights = GroupRights(own=True), **changes: Any) -> dict[str, dict[str, Any]]:
    facts = replace(GroupFacts(GROUP, ON, running(*GROUP)), **changes)
    return {row["label"]: row for row in make_group(facts, rights)["machines"]}


def test_what_a_trainee_is_told_of_a_node_and_nothing_more():
    assert group()["node1"] == {
        "label": "node1",
        "role": "node",
        "machine": "node1-ada",
        "state": "running",
        "place": 0,
        "address": "10.77.1.2",
        "names": ["node1.ada"],
        "own_names": ["node1"],
        "may_console": True,
        "may_restart": True,
        "message": None,
    }


def test_the_network_and_whom_one_meets_there():
    told = make_group(GroupFacts(GROUP, ON, {}), GroupRights())
    assert told["network"] == {"addresses": "10.77.0.0/16", "meet": "own"}
    assert [row["label"] for row in told["machines"]] == ["desk", "node1", "server"]


def test_machines_without_a_network_have_no_address():
    alone = (replace(DESK, card=None),)
    told = make_group(GroupFacts(alone, ON, {}), GroupRights(own=True))
    assert told["network"] is None
    assert (told["machines"][0]["address"], told["machines"][0]["names"]) == ("", [])


def test_the_shared_server_is_for_those_who_look_after_everybody():
    assert not group()["server"]["may_restart"]
    assert not group()["server"]["may_console"]
    staff = group(GroupRights(own=True, shared=True))
    assert staff["server"]["may_restart"]
    assert staff["server"]["may_console"]
    assert not group(GroupRights())["node1"]["may_restart"]


@pytest.mark.parametrize(
    ("seat", "statuses", "desk", "node"),
    [
        (ON, {}, "absent", "absent"),
        (ON, None, "unknown", "unknown"),
        (replace(OFF, pending="spawn", place=3), {}, "waiting", "absent"),
        (replace(OFF, pending="spawn"), running(DESK), "pending", "absent"),
        (ON, running(DESK), "running", "absent"),
    ],
)
def test_states_by_the_hub_and_by_the_provider(seat, statuses, desk, node):
    told = group(seat=seat, statuses=statuses)
    assert (told["desk"]["state"], told["node1"]["state"]) == (desk, node)
    assert told["desk"]["place"] == seat.place
    assert told["node1"]["place"] == 0


def test_a_group_that_is_off_is_started_as_a_whole():
    told = group(GroupRights(own=True, shared=True), seat=OFF)
    assert not told["desk"]["may_restart"]
    assert not told["node1"]["may_restart"]
    assert told["server"]["may_restart"], "others use it"


def test_what_restarts_is_not_restarted_again():
    told = group(restarting={NODE.machine})
    assert told["node1"]["state"] == "pending"
    assert not told["node1"]["may_restart"]
    assert told["node1"]["may_console"], "which shows how it starts"
    assert told["desk"]["may_restart"]


@pytest.mark.parametrize(
    ("seat", "statuses", "is_told"),
    [(ON, running(DESK), True), (ON, running(*GROUP), False), (OFF, {}, False)],
)
def test_a_failed_restart_is_told_until_the_machine_runs_or_the_group_is_off(
    seat, statuses, is_told
):
    told = group(seat=seat, statuses=statuses, failed={NODE.machine: FAILED})
    assert told["node1"]["message"] == ({"en": FAILED.en, "fr": FAILED.fr} if is_told else None)
    assert told["desk"]["message"] is None


def test_what_never_ran_has_no_console():
    told = group(statuses=running(DESK))
    assert (told["desk"]["may_console"], told["node1"]["may_console"]) == (True, False)


# -- on the board ----------------------------------------------------------------------------------

ADA = Person("ada", (), is_staff=False, seats=(OFF, Seat("second", "desk-ada-2")))
BOB = Person("bob", (), is_staff=False, seats=(Seat("", "desk-bob"),))


def board(**changes: Any) -> dict[str, Any]:
    groups = {"ada": GROUP, "bob": (SERVER,)}
    facts = BoardFacts(0.0, None, (), (), (), {}, groups=groups, shared=(SERVER,))
    return make_board(replace(facts, **changes), (ADA, BOB), lambda *_: False)


def network(*flooding: GroupMachine, problem: str = "") -> tuple[NetworkStatus, ...]:
    names = tuple(each.machine for each in flooding)
    return (NetworkStatus("event", names, flooding=names, problem=problem),)


def test_a_row_has_the_states_of_the_nodes():
    rows = board(statuses=running(NODE, problem="x" * 999))["rows"]
    assert rows[0]["machines"] == [{"label": "node1", "state": "running", "problem": "x" * 300}]
    assert rows[1]["machines"] == [], "another server of the same trainee is not the group"
    assert rows[2]["machines"] == []
    assert board(statuses=None)["rows"][0]["machines"][0]["state"] == "unknown"


def test_a_machine_that_floods_is_told_in_its_trainees_row_and_only_while_it_does():
    rows = board(networks=network(NODE, SERVER))["rows"]
    assert [row["limited"] for row in rows] == [[{"label": "node1", "name": "node1.ada"}], [], []]
    assert not any(row["limited"] for row in board(networks=network())["rows"])


def test_the_shared_server_is_told_once():
    told = board(statuses=running(SERVER, problem="x" * 999), networks=network(SERVER))
    assert told["shared"] == [
        {"label": "server", "state": "running", "problem": "x" * 300, "is_limited": True}
    ]
    assert not board()["shared"][0]["is_limited"]


def test_a_network_that_has_a_problem_is_told():
    assert board()["notes"] == []
    (note,) = board(networks=network(problem="its keeper was killed"))["notes"]
    assert note["en"] == "The network event has a problem: its keeper was killed"
    assert note["fr"] == "Le réseau event a un problème\u202f: its keeper was killed"
