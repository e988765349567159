"""A trainee's machines, from facts: the trainee's own list, and what the board tells of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from vmlab.groups.listing import GroupMachine
from vmlab.model import MachineRole, MachineState, Meeting, NetworkSpec, NetworkStatus
from vmlab.web.board import (
    BoardFacts,
    GroupFacts,
    GroupRights,
    Person,
    Seat,
    make_board,
    tell_group,
)
from vmlab_protocol.notices import Notice

NETWORK = NetworkSpec("event", IPv4Network("10.77.0.0/16"), Meeting.OWN)
FAILED = Notice("It did not start.", "Elle n'a pas démarré.")
ON = Seat("", "desk-ada", url="/user/ada/")
OFF = Seat("", "desk-ada")


def machine(label: str, role: MachineRole, name: str, address: str) -> GroupMachine:
    own = () if role is MachineRole.SERVER else (label,)
    return GroupMachine(label, f"{label}-m", role, MachineState.RUNNING, address, (name,), own)


DESK = machine("desk", MachineRole.DESK, "desk-t01", "10.77.1.1")
NODE = machine("node1", MachineRole.NODE, "node1.t01", "10.77.1.2")
SERVER = machine("server", MachineRole.SERVER, "server", "10.77.0.2")
GROUP = (DESK, NODE, SERVER)


def in_state(state: MachineState, *machines: GroupMachine) -> tuple[GroupMachine, ...]:
    return tuple(replace(each, state=state) if each in machines else each for each in GROUP)


def group(rights: GroupRights | None = None, **changes: Any) -> dict[str, dict[str, Any]]:
    facts = replace(GroupFacts(GROUP, ON, NETWORK), **changes)
    told = tell_group(facts, rights or GroupRights(own=True))
    return {row["label"]: row for row in told["machines"]}


def test_what_a_trainee_is_told_of_a_node_and_nothing_more():
    assert group()["node1"] == {
        "label": "node1",
        "role": "node",
        "machine": "node1-m",
        "state": "running",
        "place": 0,
        "address": "10.77.1.2",
        "names": ["node1.t01"],
        "own_names": ["node1"],
        "may_console": True,
        "may_restart": True,
        "may_renew": True,
        "message": None,
    }


def test_the_network_and_whom_one_meets_there():
    told = tell_group(GroupFacts(GROUP, ON, NETWORK), GroupRights())
    assert told["network"] == {"addresses": "10.77.0.0/16", "meet": "own"}
    assert [row["label"] for row in told["machines"]] == ["desk", "node1", "server"]
    assert tell_group(GroupFacts(GROUP, ON), GroupRights())["network"] is None


def test_the_shared_server_is_for_those_who_look_after_everybody():
    assert not group()["server"]["may_restart"]
    assert not group()["server"]["may_console"]
    staff = group(GroupRights(own=True, shared=True))
    assert staff["server"]["may_restart"]
    assert staff["server"]["may_console"]
    assert not staff["server"]["may_renew"], "its files are everybody's"
    assert not group(GroupRights())["node1"]["may_restart"]
    assert not group(GroupRights())["node1"]["may_renew"]


@pytest.mark.parametrize(
    ("seat", "desk"),
    [
        (replace(OFF, pending="spawn", place=3), "waiting"),
        (replace(OFF, pending="spawn"), "pending"),
        (replace(ON, pending="stop"), "pending"),
        (ON, "absent"),
    ],
)
def test_what_the_hub_is_about_to_do_with_the_desk_counts_first(seat, desk):
    told = group(seat=seat, machines=in_state(MachineState.ABSENT, DESK, NODE))
    assert (told["desk"]["state"], told["node1"]["state"]) == (desk, "absent")
    assert told["desk"]["place"] == seat.place
    assert told["node1"]["place"] == 0


def test_a_group_that_is_off_is_started_as_a_whole():
    told = group(GroupRights(own=True, shared=True), seat=OFF)
    assert not told["desk"]["may_restart"]
    assert not told["node1"]["may_restart"]
    assert not told["node1"]["may_renew"]
    assert told["server"]["may_restart"], "others use it"


def test_what_restarts_is_not_restarted_again():
    told = group(restarting={NODE.label})
    assert told["node1"]["state"] == "pending"
    assert not told["node1"]["may_restart"]
    assert not told["node1"]["may_renew"]
    assert told["node1"]["may_console"], "which shows how it starts"
    assert told["desk"]["may_restart"]


@pytest.mark.parametrize(
    ("seat", "state", "is_told"),
    [
        (ON, MachineState.STOPPED, True),
        (ON, MachineState.RUNNING, False),
        (OFF, MachineState.STOPPED, False),
    ],
)
def test_a_failed_restart_is_told_until_the_machine_runs_or_the_group_is_off(seat, state, is_told):
    told = group(seat=seat, machines=in_state(state, NODE), failed={NODE.label: FAILED})
    assert told["node1"]["message"] == ({"en": FAILED.en, "fr": FAILED.fr} if is_told else None)
    assert told["desk"]["message"] is None


def test_what_never_ran_has_no_console():
    told = group(machines=in_state(MachineState.ABSENT, NODE))
    assert (told["desk"]["may_console"], told["node1"]["may_console"]) == (True, False)


# -- on the board ----------------------------------------------------------------------------------

ADA = Person("ada", (), is_staff=False, seats=(OFF, Seat("second", "desk-ada-2")))
BOB = Person("bob", (), is_staff=False, seats=(Seat("", "desk-bob"),))


def board(**changes: Any) -> dict[str, Any]:
    groups = {"ada": GROUP, "bob": (SERVER,)}
    facts = BoardFacts(0.0, None, (), (), (), {}, groups=groups)
    return make_board(replace(facts, **changes), (ADA, BOB), lambda *_: False)


def network(*flooding: GroupMachine, problem: str = "") -> tuple[NetworkStatus, ...]:
    names = tuple(each.machine for each in flooding)
    return (NetworkStatus("event", names, flooding=names, problem=problem),)


def test_a_row_has_the_states_of_the_nodes():
    killed = replace(NODE, state=MachineState.STOPPED, problem="x" * 999)
    rows = board(groups={"ada": (DESK, killed, SERVER)})["rows"]
    assert rows[0]["machines"] == [{"label": "node1", "state": "stopped", "problem": "x" * 300}]
    assert rows[1]["machines"] == [], "another server of the same trainee is not the group"
    assert rows[2]["machines"] == []


def test_a_machine_that_floods_is_told_in_its_trainees_row_and_only_while_it_does():
    rows = board(networks=network(NODE, SERVER))["rows"]
    assert [row["limited"] for row in rows] == [[{"label": "node1", "name": "node1.t01"}], [], []]
    assert not any(row["limited"] for row in board(networks=network())["rows"])


def test_the_shared_server_is_told_once():
    server = {"label": "server", "state": "running", "problem": "", "is_limited": False}
    assert board()["shared"] == [server]
    assert board(networks=network(SERVER))["shared"] == [server | {"is_limited": True}]
    assert board(groups={})["shared"] == []


def test_a_network_that_has_a_problem_is_told():
    assert board()["notes"] == []
    (note,) = board(networks=network(problem="its keeper was killed"))["notes"]
    assert note["en"] == "The network event has a problem: its keeper was killed"
    assert note["fr"] == "Le réseau event a un problème\u202f: its keeper was killed"


def test_machines_that_run_outside_of_their_network_are_told():
    in_it = (NetworkStatus("event", ("desk-m", "node1-m", "server-m")),)
    assert board(networks=in_it, network="event")["notes"] == []
    (note,) = board(networks=network(DESK), network="event")["notes"]
    assert note["en"].startswith("Not in the network event, though they run: node1.t01, server. ")
    assert "en marche\u202f: node1.t01, server. " in note["fr"]
    (gone,) = board(networks=(), network="event")["notes"]
    assert "desk-t01, node1.t01, server" in gone["en"], "it was removed while they ran"


def test_what_is_off_or_has_no_place_or_is_explained_already_is_not_told_of():
    off = in_state(MachineState.STOPPED, *GROUP)
    assert board(groups={"ada": off}, network="event")["notes"] == []
    nowhere = (replace(NODE, names=()),)
    assert board(groups={"ada": nowhere}, network="event")["notes"] == []
    assert board(networks=())["notes"] == [], "the provider could not be asked"
    notes = board(networks=network(problem="its keeper was killed"), network="event")["notes"]
    assert len(notes) == 1


def test_of_many_machines_outside_a_few_are_named():
    many = {
        f"t{n:02}": (replace(NODE, machine=f"node-{n}", names=(f"node1.t{n:02}",)),)
        for n in range(1, 21)
    }
    (note,) = board(groups=many, network="event")["notes"]
    assert "node1.t05 and 15 more. Others" in note["en"]
    assert "node1.t05 et 15 autres. Les" in note["fr"]
    assert "node1.t06" not in note["en"]
